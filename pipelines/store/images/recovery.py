"""Recovery of a damaged store: rebuilds the index from the packs, and removes unreferenced packs.

A record of a pack that is truncated, or whose digest does not match, is skipped, and its URL counts as never fetched.
So a truncated file never makes the store inconsistent.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.warc.digests import digest_of
from corpusloom.schemas import arrow, storage
from corpusloom.schemas.records import ImageRecord

_MARK = b"WARC/1.1\r\n"
_LENGTH = re.compile(rb"(?im)^content-length:[ ]*(\d{1,18})\r?$")
_TYPE = re.compile(rb"(?im)^warc-type:[ ]*([a-z]+)\r?$")
_DIGEST = re.compile(rb"(?im)^warc-block-digest:[ ]*(sha1|sha256):(\S+)\r?$")
_GENERATION = re.compile(rb"(?m)^generation: (\d{1,9})\r$")


@dataclass(frozen=True, slots=True)
class PackRecord:
    """One complete record of a pack: its type, block, and place in bytes."""

    kind: str
    block: bytes
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Counts of a rebuilt index."""

    packs: int
    outcomes: int
    """URLs with an outcome."""
    images: int
    """Distinct images."""
    damaged: int
    """Places in packs at which no record could be read."""
    lost: int
    """Outcomes whose image is in no pack; their URLs will be fetched again."""


def read_pack(data: bytes) -> Iterator[PackRecord | None]:
    """Yield the complete records of an uncompressed WARC in order, and None for each damaged stretch of bytes."""
    at = 0
    while at < len(data):
        record = _record_at(data, at)
        yield record
        if record is None:
            at = data.find(_MARK, at + 1)
            if at < 0:
                return
        else:
            at += record.length


def _record_at(data: bytes, at: int) -> PackRecord | None:
    """Return the record that begins at an offset; None if it is truncated or its digest does not match."""
    head_end = data.find(b"\r\n\r\n", at, at + 65_536)
    if not data.startswith(_MARK, at) or head_end < 0:
        return None
    head = data[at:head_end]
    length, kind, digest = _LENGTH.search(head), _TYPE.search(head), _DIGEST.search(head)
    if length is None or kind is None or digest is None:
        return None
    start, end = head_end + 4, head_end + 4 + int(length.group(1))
    block = data[start:end]
    if data[end : end + 4] != b"\r\n\r\n":
        return None
    if digest_of(block, digest.group(1).decode()).partition(":")[2].encode() != digest.group(2):
        return None
    return PackRecord(kind.group(1).decode(), block, at, end + 4 - at)


@dataclass
class _Packs:
    """The packs of a store, read twice: first for the place of each content, then for the outcomes."""

    store: ImageStore
    places: dict[bytes, tuple[str, int, int]]
    damaged: int = 0

    def locate(self, names: list[str]) -> None:
        for name in names:
            for record in read_pack(storage.read_bytes(self.store.path("packs", name))):
                if record is None:
                    self.damaged += 1
                elif record.kind == "resource":
                    digest = hashlib.sha256(record.block).digest()
                    self.places.setdefault(digest, (name, record.offset, record.length))

    def outcomes(self, name: str) -> tuple[int, list[ImageRecord], int]:
        """Return the generation of a pack, its outcomes with their places, and the number whose image is lost."""
        generation, rows, lost = 1, [], 0
        for record in read_pack(storage.read_bytes(self.store.path("packs", name))):
            if record is not None and record.kind == "warcinfo":
                found = _GENERATION.search(record.block)
                generation = int(found.group(1)) if found else 1
            elif record is not None and record.kind == "metadata":
                row = self._placed(arrow.from_plain(ImageRecord, json.loads(record.block)))
                rows += [row] if row is not None else []
                lost += row is None
        return generation, rows, lost

    def _placed(self, row: ImageRecord) -> ImageRecord | None:
        if row.outcome != "kept":
            return row
        place = self.places.get(bytes.fromhex(row.sha256 or ""))
        return None if place is None else replace(row, pack=place[0], offset=place[1], length=place[2])


def reindex(store: ImageStore) -> Recovered:
    """Write all parts of the index again from the packs, and remove parts that belong to no pack."""
    names = storage.listing(store.path("packs"), ".warc")
    packs = _Packs(store, {})
    packs.locate(names)
    outcomes = lost = 0
    written = set()
    for name in names:
        generation, rows, missing = packs.outcomes(name)
        outcomes, lost = outcomes + len(rows), lost + missing
        stem = name.removesuffix(".warc")
        if rows:
            store.commit_part(generation, stem, rows)
            written.add(store.part_path(generation, stem))
    for path in [path for number in store.generations() for path in store.parts(number)]:
        if path not in written:
            storage.remove(path)
    return Recovered(packs=len(names), outcomes=outcomes, images=len(packs.places), damaged=packs.damaged, lost=lost)


def sweep(store: ImageStore) -> list[str]:
    """Remove packs that the index does not refer to, and temporary files; return their names.

    No other process may write to the store meanwhile.
    """
    parts = [path for number in store.generations() for path in store.parts(number)]
    used = {path.rsplit("/part-", 1)[1].removesuffix(".parquet") + ".warc" for path in parts}
    stored = store.index().stored()["pack"]
    used |= set(stored.unique().to_pylist())
    orphans = [name for name in storage.listing(store.path("packs"), ".warc") if name not in used]
    for name in orphans:
        storage.remove(store.path("packs", name))
    return orphans + _sweep_temporary(store)


def _sweep_temporary(store: ImageStore) -> list[str]:
    """Remove the temporary files of killed writers; return their names."""
    fs, inner = storage.filesystem(store.folder)
    found = [path for path in fs.find(inner) if storage.TEMPORARY in path] if fs.exists(inner) else []
    for path in found:
        fs.rm(path)
    return [path.rsplit("/", 1)[-1] for path in found]
