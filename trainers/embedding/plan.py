"""Finds the distinct images, texts and pairs of a dataset, from its sidecars.

An image is known by the sha256 of the bytes as fetched, or as stored where the sidecar has no other. Memory: about
50 bytes per image member, and per pair another 40 and its text.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.schemas.errors import InputError
from corpusloom.schemas.images.embeddings.parts import SkippedMember
from corpusloom.schemas.layout import IMAGE_EXTENSIONS, extension_of
from corpusloom.schemas.records import ShardEntry
from corpusloom.trainers.evaluation.occurrences import first_occurrences
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.plan import SamplePlace
from corpusloom.trainers.stream.reading.index import DatasetIndex, integers, read_sidecar
from corpusloom.trainers.stream.sample_reader import SampleReader
from corpusloom.trainers.stream.samples.typed import PairSample, RegionsSample, TypedSample

TEXT_KINDS = ("pairs", "regions")
"""Kinds of datasets whose samples are an image and a text."""
_COLUMNS = ["key", "caption", *(f"members.list.element.{name}" for name in ("field", "sha256", "stored_sha256"))]
_MEMBERS = np.dtype([("shard", "<i4"), ("row", "<i4"), ("field", "<i2"), ("sha256", "S32")])


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingPlan:
    """Distinct images and texts of a dataset, in the order in which its shards first show them, and its pairs."""

    images: np.ndarray
    """One record per distinct image: shard and row of the sample that shows it first, number of its field, sha256."""
    fields: list[str]
    """Field by number."""
    texts: list[str]
    """Distinct texts."""
    pairs: np.ndarray
    """(pairs, 4) int64: shard, row, number of the image, number of the text (-1 if it cannot be read)."""
    unread: tuple[SkippedMember, ...]
    """Texts that cannot be read."""

    def image_sha256(self, number: int) -> str:
        """Return the sha256 of a distinct image."""
        return bytes(self.images["sha256"][number]).ljust(32, b"\0").hex()

    def place(self, number: int) -> SamplePlace:
        """Return the sample that shows a distinct image first."""
        return SamplePlace(number, 0, 0, int(self.images["shard"][number]), int(self.images["row"][number]))

    def field(self, number: int) -> str:
        """Return the field of a distinct image's member."""
        return self.fields[self.images["field"][number]]


def text_sha256(text: str) -> str:
    """Return the sha256 of a text as UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def make_plan(reader: SampleReader) -> EmbeddingPlan:
    """Return the plan of a reader's only dataset; InputError if its sidecars have no hashes."""
    (index,) = reader.indexes
    fields: dict[str, int] = {}
    numbers: dict[str, int] = {}
    members, texts = [], []
    unread: list[SkippedMember] = []
    for number, shard in enumerate(index.shards):
        table = read_sidecar(index.path, shard, _COLUMNS)
        members.append(_image_members(index, number, table, fields))
        if index.kind in TEXT_KINDS:
            found = list(_texts(reader, number, shard, table, unread))
            texts.append([-1 if text is None else numbers.setdefault(text, len(numbers)) for text in found])
    every = np.concatenate(members)
    firsts, distinct = first_occurrences(every["sha256"])
    images, pairs = every[firsts], np.zeros((0, 4), np.int64)
    if index.kind in TEXT_KINDS:
        by_place = [np.asarray(part, np.int64)[rows["row"]] for part, rows in zip(texts, members, strict=True)]
        pairs = np.stack([every["shard"], every["row"], distinct, np.concatenate(by_place)], 1)
    return EmbeddingPlan(images, list(fields), list(numbers), pairs, tuple(unread))


def _image_members(index: DatasetIndex, shard: int, table: pa.Table, fields: dict[str, int]) -> np.ndarray:
    """Return the image members of a shard, by sample; of a pair the one that its sample is made of."""
    lists = table.column("members").combine_chunks()
    rows = np.repeat(np.arange(len(lists)), integers(pc.list_value_length(lists)))
    members = lists.flatten()
    names = members.field("field").to_pylist()
    ranks = np.asarray([_rank(name, single=index.kind in TEXT_KINDS) for name in names], np.int64)
    kept = np.flatnonzero(ranks >= 0)
    if index.kind in TEXT_KINDS:  # the first of jpg, png and webp
        kept = kept[np.lexsort((ranks[kept], rows[kept]))]
        kept = kept[np.diff(rows[kept], prepend=-1) > 0]
    hashes = pc.coalesce(members.field("sha256"), members.field("stored_sha256")).take(pa.array(kept)).to_pylist()
    if not all(hashes):
        what = "its sidecars have no sha256, by which images are known"
        raise InputError(what, where=index.path, remedy="run loom index with --hashes")
    found = np.zeros(len(kept), _MEMBERS)
    found["shard"], found["row"] = shard, rows[kept]
    found["field"] = [fields.setdefault(names[at], len(fields)) for at in kept]
    found["sha256"] = [bytes.fromhex(value) for value in hashes]
    return found


def _rank(field: str, *, single: bool) -> int:
    """Return the rank of a field among those of images; -1 for another member."""
    extension = field if single else extension_of(field)
    return IMAGE_EXTENSIONS.index(extension) if extension in IMAGE_EXTENSIONS else -1


def _texts(
    reader: SampleReader, number: int, shard: ShardEntry, table: pa.Table, unread: list[SkippedMember]
) -> Iterator[str | None]:
    """Yield the text of each sample: its caption in the sidecar, or else what the sample itself says."""
    for row, caption in enumerate(table.column("caption").to_pylist()):
        if caption and not caption.isspace():
            yield caption
            continue
        place = SamplePlace(row, 0, 0, number, row)
        try:
            yield _text_of(reader.sample(place))
        except SampleError as error:
            unread.append(SkippedMember(-1, "", table.column("key")[row].as_py(), "txt", error.reason))
            yield None


def _text_of(sample: TypedSample) -> str:
    assert isinstance(sample, PairSample | RegionsSample)
    if not sample.text:
        raise SampleError("empty_text")
    try:
        sample.text.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, from a JSON escape
        raise SampleError("bad_text") from error
    return sample.text
