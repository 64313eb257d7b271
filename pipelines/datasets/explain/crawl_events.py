"""Outcomes of a scrape: pages and images that were fetched, refused or never reached."""

from collections.abc import Iterator
from dataclasses import dataclass

from corpusloom.pipelines.datasets.explain.event import Event, Wanted
from corpusloom.pipelines.datasets.explain.filtered_rows import matching, texts
from corpusloom.pipelines.datasets.explain.table_events import event_of
from corpusloom.schemas import identity, storage

_ROW = ("key", "url", "depth", "outcome", "reason", "measured", "threshold", "message", "unit")
FRONTIER = "frontier"


@dataclass(frozen=True, slots=True)
class Crawl:
    """A folder that `loom scrape` wrote, finished or not."""

    folder: str

    def _paths(self) -> list[str]:
        folder = storage.join(self.folder, FRONTIER)
        return [storage.join(folder, name) for name in storage.listing(folder, ".parquet")]

    def extend(self, wanted: Wanted) -> None:
        """Add nothing: the keys of a URL's outcomes are made from the URL."""

    def events(self, wanted: Wanted) -> Iterator[Event]:
        """Yield the outcomes of the URL; for one that was never fetched, the page that links to it."""
        found = False
        for path in self._paths():
            for row in matching(path, _ROW, {"key": wanted.keys, "url": {wanted.name}}):
                found = True
                yield event_of(
                    row | {"parent": None}, stage="scrape", note=row["message"] and f"{row['url']}: {row['message']}"
                )
        if not found:
            yield from self._linked(wanted)

    def _linked(self, wanted: Wanted) -> Iterator[Event]:
        for path in self._paths():
            for row in matching(path, ("url", "depth", "links"), {"links": {wanted.name}}):
                reason = "not fetched: beyond --depth or --max-pages, or the scrape is unfinished"
                note = f"linked from {row['url']} at depth {row['depth']}; {reason}"
                key = identity.page_key(wanted.name)
                yield Event(
                    stage="scrape", unit="page", key=key, parent=None, url=wanted.name, outcome="not_fetched", note=note
                )
                return

    def names(self) -> Iterator[str]:
        """Yield all URLs that were fetched or linked."""
        for path in self._paths():
            yield from texts(path, ("url", "key", "links"))
