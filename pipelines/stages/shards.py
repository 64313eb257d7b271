"""The shards stage: writes selected records with their images as tars and sidecars.

A shard is a range of keys. Its worker reads that range of the decisions and of the fragments of records, which are
sorted by key, so it skips the other row groups. It reads the images from the store and writes one tar; no record is
shuffled.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import apache_beam as beam

from corpusloom.pipelines.dedup.evaluation_sets import load_benchmarks
from corpusloom.pipelines.stages.kinds.registry import kind_of
from corpusloom.pipelines.stages.scores.judging import read_judges
from corpusloom.pipelines.stages.selected_records import SelectedRecords, key_range, selected
from corpusloom.pipelines.stages.shard_records import STAGE, ImageJudge
from corpusloom.pipelines.stages.units import FinishUnit, FinishUnits
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.dataset.samples import (
    UnwrittenSample,
)
from corpusloom.pipelines.store.dataset.shard_files import ShardReport, commit_shard, is_finished, write_shard_files
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas.records import Head
from corpusloom.schemas.verdicts import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardsConfig:
    """Configuration of the shards stage."""

    dataset: str
    """Folder of the dataset."""
    folder: str
    """Folder of the stage, for reports of finished shards and fragments of the ledger."""
    selected: SelectedRecords
    """The records."""
    store: str
    """Folder of the image store."""
    shards: int
    """Number of shards, a power of two."""
    score_models: Mapping[str, str] = field(default_factory=dict)
    """Score of the recipe -> digest of the weights of its model."""
    least: Mapping[str, float] = field(default_factory=dict)
    """Score of the recipe -> threshold of its top fraction, if the recipe keeps one."""
    frequent: tuple[str, ...] = ()
    """Image URLs on more pages than the recipe allows."""


def write_shard(index: int, config: ShardsConfig, judge: ImageJudge) -> ShardReport:
    """Write one shard and its fragments of ledger and scores; return its report."""
    ledger = Ledger(STAGE)
    make_sample = kind_of(config.selected.recipe).sampler()

    def samples() -> Iterator[UnwrittenSample]:
        for record, frequent in selected(config.selected, *key_range(index, config.shards)):
            if isinstance(record, Head):
                ledger.record(Rejected("forgotten"), unit=record.unit, key=record.key, parent=record.parent)
                continue
            sample = make_sample(record, frequent, judge, ledger)
            if sample is not None:
                yield sample

    return commit_shard(config.folder, index, write_shard_files(config.dataset, index, samples()), ledger)


def open_judge(config: ShardsConfig) -> ImageJudge:
    """Return the judge of images, over the present generation of the store."""
    store, recipe = ImageStore(config.store), config.selected.recipe
    model = recipe.filters.images.nsfw_model
    return ImageJudge(
        recipe=recipe,
        store=store,
        index=store.index(),
        frequent=frozenset(config.frequent),
        benchmarks=load_benchmarks(recipe.dedup.decontaminate),
        nsfw=store.scores(model) if model else {},
        models=tuple(read_judges(recipe, config.store, config.score_models, config.least)),
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
