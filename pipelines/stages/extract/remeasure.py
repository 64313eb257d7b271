"""Measures stored records of an input again after a filter changed, without reading the input.

The records are in the fragments of an earlier build with the same read settings. They are measured by the recipe's
present filters and written as fragments with the names and rows that reading the input again would give.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.extract.input_fragments import (
    IMAGE_NOTES,
    FragmentWriter,
    InputFile,
    is_extracted,
    read_counts,
)
from corpusloom.pipelines.stages.kinds.record_kind import RecordAndHead, RecordKind
from corpusloom.pipelines.store.fragments import fragment_names
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas import storage, tables
from corpusloom.schemas.records import Head, StageCounts

BESIDE = ("ledger", "scores", "provenance", IMAGE_NOTES)
"""Folders whose files do not depend on the measure settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remeasure:
    """Measures the records of an input in an earlier folder of the extract stage again."""

    folder: str
    """Folder of the stage."""
    earlier: tuple[str, ...]
    """Folders of the stage for other measure settings, in the order in which they are searched."""
    kind: RecordKind[Any, Any]
    recipe: Recipe
    tombstones: Tombstones = field(default_factory=Tombstones)
    """Take-downs; records that they name are not written."""

    def __call__(self, item: InputFile) -> tuple[StageCounts, ...] | None:
        """Measure the records of an input again and return its counts; None if the input has to be read."""
        source = next((folder for folder in self.earlier if is_extracted(folder, item)), None)
        return None if source is None else self._measure_again(source, item)

    def _measure_again(self, source: str, item: InputFile) -> tuple[StageCounts, ...] | None:
        counts = tuple(read_counts(source, item))
        names = fragment_names(item.stem, counts)
        if any(_taken_down(source, name) for name in names) and storage.exists(item.path):
            return None  # a taken-down record has no stored text, but its head needs new scores
        writer = FragmentWriter(self.folder, self.kind.record, item.stem, self.tombstones)
        for name in names:
            writer.add_heads(self._fragment(source, name))
            writer.flush()
        for kind in BESIDE:
            path = storage.join(source, kind, f"{item.stem}.parquet")
            if storage.exists(path):
                storage.write_bytes(storage.join(self.folder, kind, f"{item.stem}.parquet"), storage.read_bytes(path))
        return counts

    def _fragment(self, source: str, name: str) -> Iterator[RecordAndHead | tuple[None, Head]]:
        """Yield the records of one fragment with new heads; a head without a record is left as it is."""
        records = tables.read_records(storage.join(source, "records", name), self.kind.record)
        found = {(record.key, record.parent): record for record in records}
        for head in tables.read_records(storage.join(source, "candidates", name), Head):
            record = found.get((head.key, head.parent))
            if record is None:
                yield None, head
                continue
            record, new = self.kind.remake(record, self.recipe)
            yield record, replace(new, images=head.images, image_key=head.image_key)


def _taken_down(source: str, name: str) -> bool:
    """Return whether a fragment has heads of taken-down records, which have no record."""
    records, heads = (tables.count_rows(storage.join(source, folder, name)) for folder in ("records", "candidates"))
    return records < heads
