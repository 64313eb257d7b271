"""Pairs -> the same pairs with regions (ViLBERT): boxes, features and class probabilities per image.

First the detector sees each image that it has not seen before, and the image store keeps its outputs. Then the shards
are written from the store alone: a detector computes other last bits on another kind of CPU. A sample has the key of
its pair, so each input shard becomes the output shard of the same number, without a shuffle.
"""

import dataclasses
import hashlib
import json
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import apache_beam as beam
import numpy as np

from corpusloom.pipelines.models.detector import BATCH, Detector, EfficientNetDetector
from corpusloom.pipelines.stages.regions.arrays import encode_regions
from corpusloom.pipelines.stages.regions.boxes import propose_boxes
from corpusloom.pipelines.stages.regions.outputs import DetectorOutputs, commit_outputs
from corpusloom.pipelines.stages.units import FinishUnit, FinishUnits
from corpusloom.pipelines.store.dataset.samples import UnwrittenSample, to_json
from corpusloom.pipelines.store.dataset.shard_files import ShardReport, commit_shard, is_finished, write_shard_files
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas import arrow, layout, storage, tables
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.records import DetectorOutput, Regions, ShardEntry, SidecarRow, StageCounts
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
    detector: str
    """Name of the detector and hash of its weights."""
    limit: int | None = None
    """Maximum number of pairs per shard."""


@dataclass(frozen=True, slots=True)
class Read:
    """A pair as read from its shard."""

    row: SidecarRow
    members: dict[str, bytes]

    @property
    def image(self) -> bytes:
        """Return the bytes of the image."""
        return next(data for name, data in self.members.items() if layout.extension_of(name) in layout.IMAGE_EXTENSIONS)

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the image, 64 hex digits."""
        return hashlib.sha256(self.image).hexdigest()


def read_pairs(source: str, shard: ShardEntry, limit: int | None) -> Iterator[Read]:
    """Yield the pairs of a shard, whose members are found through its sidecar."""
    tar = storage.join(source, shard.tar.name)
    for number, row in enumerate(tables.read_records(storage.join(source, shard.sidecar.name), SidecarRow)):
        if limit is not None and number >= limit:
            return
        parts = {m.field: storage.read_bytes(tar, m.offset, m.offset + m.size) for m in row.members}
        yield Read(row, parts)


def detect_shard(shard: ShardEntry, config: RegionsConfig, model: Detector, known: Container[str]) -> None:
    """Store the detector's outputs for the images of a shard whose SHA-256 is not `known`, each image once."""
    for items in batches_of(new_images(shard, config, known)):
        commit_outputs(config.store, config.detector, detect(items, model))


def new_images(shard: ShardEntry, config: RegionsConfig, known: Container[str]) -> Iterator[Read]:
    """Yield the first pair of each image of a shard that is not `known`."""
    seen: set[str] = set()
    for item in read_pairs(config.source, shard, config.limit):
        sha256 = item.sha256
        if sha256 not in known and sha256 not in seen:
            seen.add(sha256)
            yield item


def batches_of(items: Iterator[Read]) -> Iterator[list[Read]]:
    """Yield lists of COMMIT_IMAGES items; the last may be shorter."""
    while batch := list(islice(items, COMMIT_IMAGES)):
        yield batch


def detect(items: Sequence[Read], model: Detector) -> list[DetectorOutput]:
    """Return the detector's output for the image of each pair."""
    found = [DetectorOutput(sha256=item.sha256, image_sha256=item.row.sha256 or "") for item in items]
    decoded: dict[int, np.ndarray] = {}
    for start in range(0, len(items), BATCH):
        decoded.clear()
        for place in range(start, min(start + BATCH, len(items))):
            try:
                decoded[place] = decode_rgb(items[place].image)
            except ImageError as error:
                found[place] = dataclasses.replace(found[place], error=error.reason)
        boxes = [propose_boxes(rgb) for rgb in decoded.values()]
        for place, box, (features, class_probs) in zip(
            decoded, boxes, model(list(decoded.values()), boxes), strict=True
        ):
            found[place] = dataclasses.replace(
                found[place],
                count=len(box),
                feature_width=features.shape[1],
                class_count=class_probs.shape[1],
                regions=encode_regions(box, features, class_probs),
            )
    return found


def make_sample(item: Read, output: DetectorOutput, detector: str) -> UnwrittenSample:
    """Return the sample of a pair with regions.npz, which the sample's JSON describes."""
    described = Regions(
        key=item.row.key,
        parent=item.row.key,
        image_sha256=item.row.sha256 or "",
        image_width=item.row.width or 0,
        image_height=item.row.height or 0,
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
            output = outputs.wait_for(item.sha256)
            verdict: Verdict = Kept() if output.error is None else Rejected(output.error)
            if ledger.record(verdict, unit="pair", key=item.row.key, url=item.row.url, scores={}):
                yield make_sample(item, output, config.detector)

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
        """Load the detector and the keys of known outputs, once for all shards of a Beam worker."""
        model, known = EfficientNetDetector(), DetectorOutputs.read(self.config.store, self.config.detector)

        def finish(shard: ShardEntry) -> tuple[StageCounts, ...]:
            detect_shard(shard, self.config, model, known)
            return ()

        yield finish


@dataclass(frozen=True, slots=True)
class WriteRegions(RegionsPass):
    """The work of the second pass: turns each shard of pairs into a shard of regions on disk."""

    unit: ClassVar[str] = "shard"

    @contextmanager
    def open(self) -> Iterator[FinishUnit[ShardEntry]]:
        """Read the keys of the store's outputs, once for all shards of a Beam worker."""
        outputs = DetectorOutputs.read(self.config.store, self.config.detector)
        yield lambda shard: write_shard(shard, self.config, outputs).counts


def build(
    pipeline: beam.Pipeline, work: Detect | WriteRegions, shards: tuple[ShardEntry, ...]
) -> beam.PCollection[ShardEntry]:
    """Build the pipeline of one pass over the shards of pairs."""
    step = "Detect regions" if isinstance(work, Detect) else "Write regions"
    return pipeline | "Shards" >> beam.Create(shards) | step >> FinishUnits(work=work, step=step)
