"""Samples of a dataset, found by key, URL or sha256 in the sidecars of its shards."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.pipelines.datasets.explain.event import Event, Wanted
from corpusloom.pipelines.datasets.explain.filtered_rows import matching, texts
from corpusloom.schemas import storage, tables
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import ShardEntry

_COLUMNS = ("key", "url", "caption", "images", "text_length", "split")


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a finished dataset."""

    dataset: str
    manifest: Manifest

    def _path(self, shard: ShardEntry) -> str:
        return storage.join(self.dataset, shard.sidecar.name)

    def extend(self, wanted: Wanted) -> None:
        """Add the keys of samples whose image or page has the URL, or whose images have the sha256."""
        for shard in self.manifest.shards:
            if wanted.sha256 is not None:
                wanted.keys |= _keys_of_image(self._path(shard), wanted.sha256)
            else:
                values = {"url": {wanted.name}, "page_url": {wanted.name}, "key": {wanted.name}}
                rows = matching(self._path(shard), ("key", "url", "page_url"), values)
                wanted.keys |= {row["key"] for row in rows}

    def events(self, wanted: Wanted) -> Iterator[Event]:
        """Yield the place of each sample."""
        for shard in self.manifest.shards:
            for row in matching(self._path(shard), _COLUMNS, {"key": wanted.keys | wanted.owners}):
                known = row["text_length"] or row["caption"] is not None  # an index of tars does not know the texts
                text = f", {row['text_length']} characters" if known else ""
                size = f"{row['images']} images{text}, split {row['split']}"
                yield Event(
                    stage="shards",
                    unit="sample",
                    key=row["key"],
                    parent=None,
                    url=row["url"],
                    outcome="kept",
                    note=f"in {shard.tar.name}: {size}",
                )

    def names(self) -> Iterator[str]:
        """Yield the keys and URLs of all samples."""
        for shard in self.manifest.shards:
            yield from texts(self._path(shard), ("key", "url", "page_url"))


def _keys_of_image(path: str, sha256: str) -> set[str]:
    """Return the keys of samples that have an image with this sha256, as fetched or as stored in the tar."""
    table = tables.read_table(path, ["key", "members"])
    members = table["members"].combine_chunks()
    flat = pc.list_flatten(members)
    hits = pc.or_kleene(pc.equal(flat.field("sha256"), sha256), pc.equal(flat.field("stored_sha256"), sha256))
    places = pc.list_parent_indices(members).filter(hits)
    return set(table["key"].take(places.unique()).to_pylist()) if isinstance(places, pa.Array) else set()
