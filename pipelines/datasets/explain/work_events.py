"""Records in a work folder: heads of all pages and pairs, also of rejected ones, and the tables of its stages."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from corpusloom.pipelines.datasets.explain.event import Event, Wanted
from corpusloom.pipelines.datasets.explain.filtered_rows import matching, texts
from corpusloom.pipelines.datasets.explain.table_events import Tables, event_of
from corpusloom.pipelines.stages.extract import input_fragments
from corpusloom.pipelines.store.stages import stage_folders
from corpusloom.schemas import identity, storage

_HEAD = ("unit", "key", "parent", "url", "scores", "outcome", "reason", "measured", "threshold")


def _files(stage: str, kind: str) -> list[str]:
    folder = storage.join(stage, kind)
    return [storage.join(folder, name) for name in storage.listing(folder, ".parquet")]


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of all records of a work folder. They name images also of pages that were rejected."""

    work: str

    def _paths(self) -> Iterator[str]:
        for stage in stage_folders(self.work, input_fragments.FOLDER):
            yield from _files(stage, "candidates")

    def extend(self, wanted: Wanted) -> None:
        """Add the pairs of an image URL, and the pages that show it with the places at which they do."""
        values = {"url": wanted.urls, "images": wanted.urls, "image_key": wanted.keys}
        for path in self._paths():
            for row in matching(path, ("unit", "key", "parent", "url", "images", "image_key"), values):
                if row["unit"] != "page":
                    wanted.keys.add(row["key"])
                elif row["url"] == wanted.name:
                    wanted.keys |= {row["key"], row["parent"]}
                else:
                    wanted.owners.add(row["key"])
                    places = (place for place, url in enumerate(row["images"]) if url in wanted.urls)
                    wanted.occurrences |= {identity.make_key("occurrence", row["key"], str(place)) for place in places}

    def events(self, wanted: Wanted) -> Iterator[Event]:
        """Yield nothing: the heads of the extract stage have no outcome yet."""
        return iter(())

    def names(self) -> Iterator[str]:
        """Yield the URLs of all pages and images."""
        for path in self._paths():
            yield from texts(path, ("url", "images"))


@dataclass(frozen=True, slots=True)
class StageTables:
    """The stages of a work folder: what each decided, whether or not a dataset was finished."""

    work: str

    def _tables(self) -> Iterator[tuple[str, Tables]]:
        for stage in stage_folders(self.work):
            yield stage, Tables.of_folder(stage)

    def extend(self, wanted: Wanted) -> None:
        """Add the keys of the URL's records."""
        for _, tables in self._tables():
            tables.extend(wanted)

    def events(self, wanted: Wanted) -> Iterator[Event]:
        """Yield the events of every stage; each names its folder, since builds share a work folder."""
        for stage, tables in self._tables():
            name = stage.rpartition("/")[2]
            for event in tables.events(wanted):
                yield replace(event, note=f"{event.url or event.key} ({name})")
            for path in _files(stage, "decisions"):
                for row in matching(path, _HEAD, {"key": wanted.keys | wanted.owners, "parent": wanted.keys}):
                    yield event_of(row, row, stage="select", note=f"{row['url'] or row['key']} ({name})")

    def names(self) -> Iterator[str]:
        """Yield the URLs and keys of all stages."""
        for _, tables in self._tables():
            yield from tables.names()
