"""The selected records of a range of keys, read from sorted fragments without the other row groups."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.kinds.registry import kind_of
from corpusloom.schemas import arrow, tables
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.records import Head, Page, Pair

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedRecords:
    """The records that the select stage keeps."""

    recipe: Recipe
    folder: str
    """Folder of the stage that reads them, for messages."""
    records: tuple[str, ...]
    """Fragments of records, each sorted by key."""
    decisions: tuple[str, ...]
    """Parts of Head rows, each sorted by key."""


def key_range(shard: int, shards: int) -> tuple[str, str]:
    """Return the first key of a shard and the first key after it."""
    step = (1 << 32) // shards
    low, high = shard * step, (shard + 1) * step
    after = "g" if shard + 1 == shards else f"{high:08x}" + "0" * 24
    return f"{low:08x}" + "0" * 24, after


def read_range(path: str, cls: type[T], low: str, high: str) -> Iterator[T]:
    """Yield the rows whose key is in [low, high) of a table that is sorted by key, without reading other row groups."""
    import pyarrow.compute as pc

    with tables.open_parquet(path) as file:
        column = file.schema_arrow.get_field_index("key")
        for group in range(file.num_row_groups):
            statistics = file.metadata.row_group(group).column(column).statistics
            if statistics is not None and statistics.has_min_max and (statistics.max < low or statistics.min >= high):
                continue
            table = file.read_row_group(group)
            keys = table["key"]
            yield from arrow.from_table(
                cls, table.filter(pc.and_(pc.greater_equal(keys, low), pc.less(keys, high))), where=path
            )


def selected(config: SelectedRecords, low: str, high: str) -> Iterator[tuple[Page | Pair | Head, frozenset[str]]]:
    """Yield the kept records of a key range with the keys of their frequent paragraphs, in order of their keys.

    For a record that was taken down, its head is yielded.
    """
    kept = {
        (row.key, row.parent): row
        for path in config.decisions
        for row in read_range(path, Head, low, high)
        if row.outcome == "kept"
    }
    cls: type[Page | Pair] = kind_of(config.recipe).record
    found: dict[str, Page | Pair | Head] = {row.key: row for row in kept.values() if not row.url}
    for path in config.records:
        for record in read_range(path, cls, low, high):
            if (record.key, record.parent) in kept:
                found.setdefault(record.key, record)
    lost = {key for key, _ in kept} - found.keys()
    if lost:
        raise DamageError(
            f"{len(lost)} selected records are missing, the first is {min(lost)}",
            where=config.folder,
            remedy="delete the folder of the stages (--work) and build again",
        )
    for key in sorted(found):
        yield found[key], frozenset(kept[key, found[key].parent].frequent_paragraphs)
