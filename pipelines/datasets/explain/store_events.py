"""Outcomes of images in an image store, and take-downs."""

from collections.abc import Iterator
from dataclasses import dataclass

from corpusloom.pipelines.datasets.explain.event import Event, Wanted
from corpusloom.pipelines.datasets.explain.filtered_rows import matching, texts
from corpusloom.pipelines.datasets.explain.table_events import event_of
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas import identity

_ROW = ("key", "url", "outcome", "reason", "sha256", "pack")


@dataclass(frozen=True, slots=True)
class Store:
    """An image store."""

    folder: str

    def _paths(self) -> Iterator[str]:
        store = ImageStore(self.folder)
        for number in store.generations():
            yield from store.parts(number)

    def extend(self, wanted: Wanted) -> None:
        """Add the keys of the URLs that gave the image with this sha256."""
        if wanted.sha256 is not None:
            for path in self._paths():
                rows = matching(path, ("key", "sha256"), {"sha256": {wanted.sha256}})
                wanted.keys |= {row["key"] for row in rows}

    def events(self, wanted: Wanted) -> Iterator[Event]:
        """Yield the image's outcome in each generation, and a take-down that names the record."""
        for path in self._paths():
            for row in matching(path, _ROW, {"key": wanted.keys}):
                place = f"{row['url'] or row['key']} in pack {row['pack']}" if row["pack"] else None
                if row["outcome"] == "kept" and not row["pack"]:  # forget leaves a row without its bytes
                    row, place = row | {"outcome": "forgotten"}, "its bytes are removed"
                yield event_of(row | {"unit": "image", "parent": None}, stage="store", note=place)
        stones = tombstones.read(self.folder)
        named = stones.keys & wanted.keys or stones.sha256 & {wanted.name}
        if named or stones.has_url(wanted.name):
            key = min(named) if named and wanted.sha256 is None else identity.make_key("name", wanted.name)
            note = f"taken down by loom forget; its hash is in {self.folder}/{tombstones.FILE}"
            yield Event(stage="forget", unit="record", key=key, parent=None, url=None, outcome="forgotten", note=note)

    def names(self) -> Iterator[str]:
        """Yield all URLs, keys and hashes."""
        for path in self._paths():
            yield from texts(path, ("url", "key", "sha256"))
