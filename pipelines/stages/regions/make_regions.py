"""Pairs -> the same pairs with regions (ViLBERT): boxes, features and class probabilities per image.

First the source of regions sees each image that it has not seen before, and the image store keeps its outputs. Then
the shards are written from the store alone: a detector computes other last bits on another kind of CPU. A sample has
the key of its pair, so each input shard becomes the output shard of the same number, without a shuffle.
"""

import dataclasses
import json
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import apache_beam as beam

from corpusloom.pipelines.models.detector import BATCH
from corpusloom.pipelines.stages.regions.outputs import DetectorOutputs, commit_outputs
from corpusloom.pipelines.stages.regions.pairs_of_shard import ReadPair, read_pairs
from corpusloom.pipelines.stages.regions.sources import RegionSource, SourceIdentity, open_source
from corpusloom.pipelines.stages.regions.tsv.source import output_key
from corpusloom.pipelines.stages.units import FinishUnit, FinishUnits, UnitWork
from corpusloom.pipelines.store.dataset.samples import UnwrittenSample, to_json
from corpusloom.pipelines.store.dataset.shard_files import ShardReport, commit_shard, is_finished, write_shard_files
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas import arrow
from corpusloom.schemas.records import DetectorOutput, Regions, ShardEntry, StageCounts
from corpusloom.schemas.verdicts import Kept, Rejected, Verdict

STAGE = "regions"
COMMIT_IMAGES = 32 * BATCH
"""Images whose outputs are stored together, some 25 MB; a run that was killed repeats at most these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionsConfig:
    """Configuration of the regions stage."""

    source: str
    """Folder of the dataset of pairs."""
    dataset: str
    """Folder of the dataset of regions."""
    folder: str
    """Folder of the stage."""
    store: str
    """Folder of the image store, which keeps the outputs of detectors."""
    finder: SourceIdentity
    """What finds the regions."""
    index: str = ""
    """Folder of the indexes of its TSVs."""
    limit: int | None = None
    """Maximum number of pairs per shard."""


def detect_shard(shard: ShardEntry, config: RegionsConfig, source: RegionSource, known: Container[str]) -> None:
    """Store the outputs for the images of a shard whose key is not `known`, each image once."""
    items = new_images(shard, config, known)
    while batch := list(islice(items, COMMIT_IMAGES)):
        commit_outputs(config.store, config.finder.label, source.describe(batch))


def new_images(shard: ShardEntry, config: RegionsConfig, known: Container[str]) -> Iterator[ReadPair]:
    """Yield the first pair of each image of a shard that is not `known`."""
    seen: set[str] = set()
    for item in read_pairs(config.source, shard, config.limit):
        key = output_key(item, config.finder.settings)
        if key not in known and key not in seen:
            seen.add(key)
            yield item


def make_sample(item: ReadPair, output: DetectorOutput, detector: str) -> UnwrittenSample:
    """Return the sample of a pair with regions.npz, which the sample's JSON describes."""
    described = Regions(
        key=item.row.key,
        parent=item.row.key,
        image_sha256=item.row.sha256 or "",
        image_width=output.image_width or item.row.width or 0,
        image_height=output.image_height or item.row.height or 0,
        count=output.count,
        feature_width=output.feature_width,
        class_count=output.class_count,
        detector=detector,
    )
    body = json.loads(item.members["json"]) | {"regions": arrow.to_plain(described)}
    members = {**item.members, "json": to_json(body), "regions.npz": output.regions}
    known = {member.field: member for member in item.row.members}
    return UnwrittenSample(item.row.key, members, dataclasses.replace(item.row, members=()), {}, known)


def write_shard(shard: ShardEntry, config: RegionsConfig, outputs: DetectorOutputs) -> ShardReport:
    """Write one shard and its fragment of the ledger; return its report."""
    ledger = Ledger(STAGE)

    def samples() -> Iterator[UnwrittenSample]:
        for item in read_pairs(config.source, shard, config.limit):
            output = outputs.wait_for(output_key(item, config.finder.settings))
            verdict: Verdict = Kept() if output.error is None else Rejected(output.error)
            place = output.place
            if ledger.record(verdict, unit="pair", key=item.row.key, parent=place, url=item.row.url, scores={}):
                yield make_sample(item, output, config.finder.label)

    return commit_shard(config.folder, shard.index, write_shard_files(config.dataset, shard.index, samples()), ledger)


@dataclass(frozen=True, slots=True)
class RegionsPass:
    """What the two passes over the shards of pairs share."""

    stage: ClassVar[str] = STAGE
    config: RegionsConfig

    def is_finished(self, shard: ShardEntry) -> bool:
        """Return whether an earlier run wrote this shard and its files are still in the dataset."""
        return is_finished(self.config.dataset, self.config.folder, shard.index)


@dataclass(frozen=True, slots=True)
class Detect(RegionsPass):
    """The work of the first pass: stores the outputs for the images of each shard."""

    unit: ClassVar[str] = "detect"

    @contextmanager
    def open(self) -> Iterator[FinishUnit[ShardEntry]]:
        """Open the source and the keys of known outputs, once for all shards of a Beam worker."""
        source = open_source(self.config.finder, self.config.index)
        known = DetectorOutputs.read(self.config.store, self.config.finder.label)

        def finish(shard: ShardEntry) -> tuple[StageCounts, ...]:
            detect_shard(shard, self.config, source, known)
            return ()

        yield finish


@dataclass(frozen=True, slots=True)
class WriteRegions(RegionsPass):
    """The work of the second pass: turns each shard of pairs into a shard of regions on disk."""

    unit: ClassVar[str] = "shard"

    @contextmanager
    def open(self) -> Iterator[FinishUnit[ShardEntry]]:
        """Read the keys of the store's outputs, once for all shards of a Beam worker."""
        outputs = DetectorOutputs.read(self.config.store, self.config.finder.label)
        yield lambda shard: write_shard(shard, self.config, outputs).counts


def build(pipeline: beam.Pipeline, work: UnitWork[Any], units: Sequence[Any], step: str) -> beam.PCollection[Any]:
    """Build the pipeline of one pass over TSVs, or over the shards of pairs."""
    return pipeline | "Units" >> beam.Create(units) | step >> FinishUnits(work=work, step=step)
