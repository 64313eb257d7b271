"""Pairs -> the same pairs with regions (ViLBERT): boxes, features and class probabilities per image.

A sample has the key of its pair, so each input shard becomes the output shard of the same number, without a shuffle.
"""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import apache_beam as beam
import numpy as np

from corpusloom.pipelines.models.detector import BATCH, Detector, EfficientNetDetector
from corpusloom.pipelines.stages.regions.arrays import encode_regions
from corpusloom.pipelines.stages.regions.boxes import propose_boxes
from corpusloom.pipelines.stages.units import FinishUnit, FinishUnits
from corpusloom.pipelines.store.dataset.samples import UnwrittenSample, to_json
from corpusloom.pipelines.store.dataset.shard_files import ShardReport, commit_shard, is_finished, write_shard_files
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas import arrow, layout, storage, tables
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.records import Regions, ShardEntry, SidecarRow
from corpusloom.schemas.verdicts import Kept, Rejected, Verdict

STAGE = "regions"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionsConfig:
    """Configuration of the regions stage."""

    source: str
    """Folder of the dataset of pairs."""
    dataset: str
    """Folder of the dataset of regions."""
    folder: str
    """Folder of the stage."""
    detector: str
    """Name, version and weights of the detector, for the samples."""
    limit: int | None = None
    """Maximum number of pairs per shard."""


@dataclass(frozen=True, slots=True)
class Read:
    """A pair as read from its shard."""

    row: SidecarRow
    members: dict[str, bytes]

    @property
    def image_field(self) -> str:
        """Return the name of the field that holds the image."""
        return next(name for name in self.members if layout.extension_of(name) in layout.IMAGE_EXTENSIONS)


def read_pairs(source: str, shard: ShardEntry, limit: int | None) -> Iterator[Read]:
    """Yield the pairs of a shard, whose members are found through its sidecar."""
    tar = storage.join(source, shard.tar.name)
    for number, row in enumerate(tables.read_records(storage.join(source, shard.sidecar.name), SidecarRow)):
        if limit is not None and number >= limit:
            return
        parts = {m.field: storage.read_bytes(tar, m.offset, m.offset + m.size) for m in row.members}
        yield Read(row, parts)


def detect_batch(
    batch: list[Read], model: Detector, detector: str
) -> Iterator[tuple[Read, UnwrittenSample | Rejected]]:
    """Yield each pair of a batch with its sample, or with the reason why its image cannot be decoded."""
    decoded = []
    for item in batch:
        try:
            decoded.append((item, decode_rgb(item.members[item.image_field])))
        except ImageError as error:
            yield item, Rejected(error.reason)
    boxes = [propose_boxes(rgb) for _, rgb in decoded]
    made = model([rgb for _, rgb in decoded], boxes)
    for (item, _), box, (features, class_probs) in zip(decoded, boxes, made, strict=True):
        yield (
            item,
            make_sample(item, encode_regions(box, features, class_probs), len(box), features, class_probs, detector),
        )


def make_sample(
    item: Read, archive: bytes, count: int, features: np.ndarray, class_probs: np.ndarray, detector: str
) -> UnwrittenSample:
    """Return the sample of a pair with regions.npz, which the sample's JSON describes."""
    described = Regions(
        key=item.row.key,
        parent=item.row.key,
        image_sha256=item.row.sha256 or "",
        image_width=item.row.width or 0,
        image_height=item.row.height or 0,
        count=count,
        feature_width=features.shape[1],
        class_count=class_probs.shape[1],
        detector=detector,
    )
    body = json.loads(item.members["json"]) | {"regions": arrow.to_plain(described)}
    members = {**item.members, "json": to_json(body), "regions.npz": archive}
    known = {member.field: member for member in item.row.members}
    return UnwrittenSample(item.row.key, members, dataclasses.replace(item.row, members=()), {}, known)


def write_shard(shard: ShardEntry, config: RegionsConfig, model: Detector) -> ShardReport:
    """Write one shard and its fragment of the ledger; return its report."""
    ledger = Ledger(STAGE)

    def samples() -> Iterator[UnwrittenSample]:
        batch: list[Read] = []
        for item in read_pairs(config.source, shard, config.limit):
            batch.append(item)
            if len(batch) == BATCH:
                yield from detect(batch)
                batch = []
        yield from detect(batch)

    def detect(batch: list[Read]) -> Iterator[UnwrittenSample]:
        for item, made in detect_batch(batch, model, config.detector):
            verdict: Verdict = made if isinstance(made, Rejected) else Kept()
            if ledger.record(verdict, unit="pair", key=item.row.key, url=item.row.url, scores={}):
                yield made  # type: ignore[misc]

    return commit_shard(config.folder, shard.index, write_shard_files(config.dataset, shard.index, samples()), ledger)


@dataclass(frozen=True, slots=True)
class DetectRegions:
    """The work of the regions stage: turns each shard of pairs into a shard of regions on disk."""

    stage: ClassVar[str] = STAGE
    unit: ClassVar[str] = "shard"
    config: RegionsConfig

    def is_finished(self, shard: ShardEntry) -> bool:
        """Return whether an earlier run wrote this shard and its files are still in the dataset."""
        return is_finished(self.config.dataset, self.config.folder, shard.index)

    @contextmanager
    def open(self) -> Iterator[FinishUnit[ShardEntry]]:
        """Load the detector, once for all shards of a Beam worker."""
        model = EfficientNetDetector()
        yield lambda shard: write_shard(shard, self.config, model).counts


def build(
    pipeline: beam.Pipeline, config: RegionsConfig, shards: tuple[ShardEntry, ...]
) -> beam.PCollection[ShardEntry]:
    """Build the pipeline that makes a dataset of regions."""
    work = DetectRegions(config)
    return pipeline | "Shards" >> beam.Create(shards) | "DetectRegions" >> FinishUnits(work=work, step="Detect regions")
