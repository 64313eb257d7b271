"""The shards stage: writes selected records with their images as tars and sidecars.

A shard is a range of keys. Its worker reads that range of the decisions and of the fragments of records, which are
sorted by key, so it skips the other row groups. It reads the images from the store and writes one tar; no record is
shuffled.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import apache_beam as beam

from corpusloom.pipelines.dedup.evaluation_sets import load_benchmarks
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.kinds.registry import kind_of
from corpusloom.pipelines.stages.shard_records import STAGE, ImageJudge
from corpusloom.pipelines.stages.units import FinishUnit, FinishUnits
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.dataset.samples import (
    UnwrittenSample,
)
from corpusloom.pipelines.store.dataset.shard_files import ShardReport, commit_shard, is_finished, write_shard_files
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas import arrow, tables
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.records import (
    Head,
    Page,
    Pair,
)
from corpusloom.schemas.verdicts import Rejected

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardsConfig:
    """Configuration of the shards stage."""

    recipe: Recipe
    dataset: str
    """Folder of the dataset."""
    folder: str
    """Folder of the stage, for reports of finished shards and fragments of the ledger."""
    records: tuple[str, ...]
    """Fragments of records, each sorted by key."""
    decisions: tuple[str, ...]
    """Parts of Head rows, each sorted by key."""
    store: str
    """Folder of the image store."""
    shards: int
    """Number of shards, a power of two."""
    frequent: tuple[str, ...] = ()
    """Image URLs on more pages than the recipe allows."""


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


def selected(config: ShardsConfig, low: str, high: str) -> Iterator[tuple[Page | Pair | Head, frozenset[str]]]:
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


def write_shard(index: int, config: ShardsConfig, judge: ImageJudge) -> ShardReport:
    """Write one shard and its fragments of ledger and scores; return its report."""
    ledger = Ledger(STAGE)
    make_sample = kind_of(config.recipe).sampler()

    def samples() -> Iterator[UnwrittenSample]:
        for record, frequent in selected(config, *key_range(index, config.shards)):
            if isinstance(record, Head):
                ledger.record(Rejected("forgotten"), unit=record.unit, key=record.key, parent=record.parent)
                continue
            sample = make_sample(record, frequent, judge, ledger)
            if sample is not None:
                yield sample

    return commit_shard(config.folder, index, write_shard_files(config.dataset, index, samples()), ledger)


def open_judge(config: ShardsConfig) -> ImageJudge:
    """Return the judge of images, over the present generation of the store."""
    store, recipe = ImageStore(config.store), config.recipe
    model = recipe.filters.images.nsfw_model
    return ImageJudge(
        recipe=recipe,
        store=store,
        index=store.index(),
        frequent=frozenset(config.frequent),
        benchmarks=load_benchmarks(recipe.dedup.decontaminate),
        nsfw=store.scores(model) if model else {},
        tombstones=tombstones.read(config.store),
    )


@dataclass(frozen=True, slots=True)
class WriteShards:
    """The work of the shards stage: writes the shard of each number."""

    stage: ClassVar[str] = STAGE
    unit: ClassVar[str] = "shard"
    config: ShardsConfig

    def is_finished(self, index: int) -> bool:
        """Return whether an earlier run wrote this shard and its files are still in the dataset."""
        return is_finished(self.config.dataset, self.config.folder, index)

    @contextmanager
    def open(self) -> Iterator[FinishUnit[int]]:
        """Open the image store, once for all shards of a Beam worker."""
        judge = open_judge(self.config)
        yield lambda index: write_shard(index, self.config, judge).counts


def build(pipeline: beam.Pipeline, config: ShardsConfig) -> beam.PCollection[int]:
    """Build the pipeline that writes a dataset's shards."""
    numbers = pipeline | "Shards" >> beam.Create(range(config.shards))
    return numbers | "WriteShards" >> FinishUnits(work=WriteShards(config), step="Write a shard")
