"""The images that a search found, with URL and caption from the dataset."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa

from corpusloom.schemas.images.embeddings.nearest import Neighbour
from corpusloom.schemas.layout import member_name
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.plan import SamplePlace
from corpusloom.trainers.stream.reading.index import DatasetIndex, read_sidecar
from corpusloom.trainers.stream.sample_reader import SampleReader


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchHit:
    """An image that a search found."""

    rank: int
    score: float
    """Cosine of the embeddings of query and image."""
    key: str
    """Key of the sample that shows the image first."""
    field: str
    """Field of the image's member in that sample."""
    shard: int
    """Number of that sample's shard."""
    row: int
    """Row of that sample in its shard's sidecar."""
    sha256: str
    url: str | None
    """URL of the image, as in the sidecar; None if it is not known."""
    caption: str | None


def describe_hits(reader: SampleReader, found: Sequence[Neighbour]) -> Iterator[SearchHit]:
    """Yield neighbours with URL and caption, from the dataset's sidecars or, for pages, the samples' JSON."""
    (index,) = reader.indexes

    @cache
    def table_of(shard: int) -> pa.Table:
        return read_sidecar(index.path, index.shards[_position(index, shard)], ["key", "url", "caption"])

    for rank, near in enumerate(found, 1):
        table = table_of(near.shard)
        row = table.column("key").to_pylist().index(near.key)
        own = table.slice(row, 1).to_pylist()[0]
        origin = {"url": own["url"], "caption": own["caption"]}
        if index.kind == "interleaved":
            origin |= _of_page(reader, _place(index, near.shard, row), member_name(near.key, near.field))
        yield SearchHit(
            rank=rank, score=near.score, key=near.key, field=near.field, shard=near.shard, row=row,
            sha256=near.sha256, **origin,
        )  # fmt: skip


def image_of(reader: SampleReader, hit: SearchHit) -> bytes:
    """Return the encoded image of a hit."""
    return reader.read(_place(reader.indexes[0], hit.shard, hit.row))[1][hit.field]


def _position(index: DatasetIndex, number: int) -> int:
    """Return the place of a shard in the manifest by its number; shards without samples are not written."""
    return next(place for place, shard in enumerate(index.shards) if shard.index == number)


def _place(index: DatasetIndex, shard: int, row: int) -> SamplePlace:
    return SamplePlace(row, 0, 0, _position(index, shard), row)


def _of_page(reader: SampleReader, place: SamplePlace, member: str) -> dict[str, Any]:
    """Return URL and caption of a page's image; nothing if the page does not say."""
    try:
        listed = reader.sample(place).info.get("image_info")
    except SampleError:
        return {}
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and item.get("name") == member:
            return {"url": item.get("url"), "caption": item.get("caption") or item.get("alt_text")}
    return {}
