"""A dataset of pairs -> the same pairs with regions (ViLBERT): boxes, features and class probabilities an image.

A shard of the input becomes the shard of the same number, since a sample's key is its pair's; nothing is shuffled.
"""

import dataclasses
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np

from corpusloom.pipelines.builds.config import BuildReport
from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.runners import Profile, run
from corpusloom.pipelines.models.detector import BATCH, Detector, EfficientNetDetector
from corpusloom.pipelines.stages.regions.arrays import encode_regions
from corpusloom.pipelines.stages.regions.boxes import propose_boxes
from corpusloom.pipelines.stages.shards import (
    ShardReport,
    is_finished,
    read_shard_report,
    report_path,
    write_shard_files,
)
from corpusloom.pipelines.store.dataset import folder as store_dataset
from corpusloom.pipelines.store.dataset.card import document
from corpusloom.pipelines.store.dataset.samples import UnwrittenSample, to_json
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.lineage import Derived, absolute, record
from corpusloom.pipelines.store.partitions import scratch_folder
from corpusloom.pipelines.store.stages import (
    Stage,
    add_counts,
    carry_over,
    check_conservation,
    commit,
    plan_stage,
    read_report,
)
from corpusloom.schemas import arrow, layout, storage, tables
from corpusloom.schemas.errors import ConfigError, DamageError, LoomError
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.manifest import Manifest, make_digest, read_manifest, write_manifest
from corpusloom.schemas.records import Regions, ShardEntry, SidecarRow
from corpusloom.schemas.verdicts import Kept, Rejected, Verdict

STAGE = "regions"
REGIONS_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionsConfig:
    """From which dataset, into which."""

    source: str
    dataset: str
    folder: str
    """Folder of the stage."""
    detector: str
    limit: int | None = None
    """Samples a shard."""


@dataclass(frozen=True, slots=True)
class Read:
    """A pair as it lies in its shard."""

    row: SidecarRow
    members: dict[str, bytes]

    @property
    def image_field(self) -> str:
        """Return the field of its image."""
        return next(name for name in self.members if layout.extension_of(name) in layout.IMAGE_EXTENSIONS)


def read_pairs(source: str, shard: ShardEntry, limit: int | None) -> Iterator[Read]:
    """Yield the samples of a shard through its sidecar."""
    tar = storage.join(source, shard.tar.name)
    for number, row in enumerate(tables.read_records(storage.join(source, shard.sidecar.name), SidecarRow)):
        if limit is not None and number >= limit:
            return
        parts = {m.field: storage.read_bytes(tar, m.offset, m.offset + m.size) for m in row.members}
        yield Read(row, parts)


def detect_batch(
    batch: list[Read], model: Detector, detector: str
) -> Iterator[tuple[Read, UnwrittenSample | Rejected]]:
    """Yield each pair of a batch with its sample, or why its image has no regions."""
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
    """Return a pair's sample with its regions.npz, described in its JSON."""
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
    """Write one shard with its part of the ledger; return what it says of itself."""
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

    entry = write_shard_files(config.dataset, shard.index, samples())
    ledger.write(config.folder, layout.shard_stem(shard.index))
    report = ShardReport(index=shard.index, entry=entry, counts=tuple(ledger.counts()))
    storage.write_bytes(report_path(config.folder, shard.index), json.dumps(arrow.to_plain(report)).encode())
    return report


class _DetectRegions(beam.DoFn):
    def __init__(self, config: RegionsConfig) -> None:
        self._config = config

    def setup(self) -> None:
        self._model = EfficientNetDetector()

    def process(self, shard: ShardEntry) -> Iterator[int]:
        if not is_finished(self._config.dataset, self._config.folder, shard.index):
            with metrics.timed(STAGE, "shard"):
                report = write_shard(shard, self._config, self._model)
            metrics.add_counts(report.counts)
        yield shard.index


@dataclass(kw_only=True, eq=False)
class DetectRegions(beam.PTransform):
    """Shards of pairs -> shards of regions on disk; one that was finished before is left alone.

    Args:
      config: From which dataset, into which.
    """

    config: RegionsConfig

    def expand(self, shards: beam.PCollection[ShardEntry]) -> beam.PCollection[int]:
        """Spread the shards over workers; each loads the model once."""
        return (
            shards | "Spread shards" >> beam.Reshuffle() | "Detect regions" >> beam.ParDo(_DetectRegions(self.config))
        )


def build(pipeline: beam.Pipeline, config: RegionsConfig, shards: tuple[ShardEntry, ...]) -> beam.PCollection[int]:
    """Build the pipeline that makes a dataset of regions."""
    return pipeline | "Shards" >> beam.Create(shards) | "DetectRegions" >> DetectRegions(config=config)


def build_dataset(
    source: str, out: str, work: str, reporter: Reporter, *, limit: int | None = None, profile: Profile | None = None
) -> BuildReport:
    """Make the dataset of regions of a dataset of pairs; a finished one is left alone."""
    reporter = reporter.fresh()
    pairs = read_manifest(source)
    if pairs.kind != "pairs":
        raise ConfigError(f"holds {pairs.kind}, not pairs", where=source, remedy="name a dataset built by align")
    check_tars(source, pairs)
    inputs = inputs_of(pairs, limit)
    stage = plan_regions(work, inputs)
    record(source, Derived(kind="regions", path=absolute(out), work=absolute(work), limit=limit))
    if stage.done:
        try:
            found = read_manifest(out)
        except LoomError:
            found = None
        if found is not None and found.digest == read_report(stage).facts["digest"]:
            return BuildReport(manifest=found, reused=(STAGE,), seconds=reporter.seconds)
    if storage.exists(storage.join(out, layout.MANIFEST)):
        raise ConfigError("holds another finished dataset", where=out, remedy="name another --out")
    with store_dataset.building(out):
        store_dataset.claim(out, stage.fingerprint)
        config = RegionsConfig(
            source=source, dataset=out, folder=stage.folder, detector=inputs["detector"], limit=limit
        )
        with reporter.stage("regions", len(pairs.shards), lambda: len(storage.listing(stage.path("done")))):
            reporter.add_measures(run(lambda pipeline: build(pipeline, config, pairs.shards), profile or Profile()))
        manifest = finish(pairs, out, stage, json.dumps(inputs, sort_keys=True))
        store_dataset.write_run(out, {"finished": time.time(), "seconds": reporter.seconds, "source": source})
        manifest = document(out, manifest, fetched_in=source)
        write_manifest(out, manifest)
    return BuildReport(manifest=manifest, reused=(), seconds=reporter.seconds, measures=reporter.measures)


def inputs_of(pairs: Manifest, limit: int | None) -> dict[str, Any]:
    """Return what shapes a dataset of regions."""
    return {"source": pairs.digest, "detector": EfficientNetDetector().identity.label, "limit": limit}


def plan_regions(work: str, inputs: dict[str, Any]) -> Stage:
    """Return the one stage of a dataset of regions."""
    return plan_stage(work, STAGE, stage_version=REGIONS_VERSION, inputs=inputs)


def make_anew(source: str, made: Derived, before: Manifest | None, after: Manifest) -> None:
    """Make regions again of a dataset that forgot something; shards of the same bytes as before are taken over."""
    new = plan_regions(made.work, inputs_of(after, made.limit))
    same: set[int] = set()
    for name in (layout.MANIFEST, "README.md", "croissant.json", "report.html"):
        storage.remove(storage.join(made.path, name))
    if before is not None:
        old = plan_regions(made.work, inputs_of(before, made.limit))
        tars = {shard.index: shard.tar.sha256 for shard in before.shards}
        same = {shard.index for shard in after.shards if tars.get(shard.index) == shard.tar.sha256}
        for index in sorted(same):
            carry_over(old, new, index)
        storage.remove(old.folder, recursive=True)
    with store_dataset.building(made.path):
        store_dataset.claim(made.path, new.fingerprint)
        for index in {shard.index for shard in (before or after).shards} - same:
            store_dataset.remove_shard(made.path, index)
    build_dataset(source, made.path, made.work, Reporter(quiet=True), limit=made.limit)


def check_tars(source: str, pairs: Manifest) -> None:
    """Raise DamageError unless each tar has its size: behind a cut, images would seem to be broken."""
    for shard in pairs.shards:
        path = storage.join(source, shard.tar.name)
        found = storage.size(path)
        if found != shard.tar.bytes:
            raise DamageError(
                f"has {found} bytes, the manifest says {shard.tar.bytes}", where=path, remedy="run loom verify"
            )


def finish(pairs: Manifest, out: str, stage: Stage, config: str) -> Manifest:
    """Write the tables, check that nothing was lost and return the manifest, not yet written."""
    reports = [read_shard_report(stage.folder, shard.index) for shard in pairs.shards]
    counts = add_counts([row for report in reports for row in report.counts])
    check_conservation(counts)
    entries = tuple(report.entry for report in reports if report.entry is not None)
    files = []
    for kind in store_dataset.TABLES:
        fragments = [stage.path(kind, f"{layout.shard_stem(shard.index)}.parquet") for shard in pairs.shards]
        with scratch_folder(stage.folder) as scratch:
            files.append(
                store_dataset.write_rows(out, kind, STAGE, store_dataset.read_fragments(kind, fragments), scratch)
            )
    store_dataset.write_sizes(out, entries)
    manifest = Manifest(
        recipe="regions",
        kind="regions",
        config=config,
        inputs=(),
        image_generation=pairs.image_generation,
        shard_count=pairs.shard_count,
        samples=sum(entry.samples for entry in entries),
        counts=counts,
        shards=entries,
        tables=tuple(files),
        digest=make_digest(config, entries, tuple(files)),
    )
    commit(stage, counts, digest=manifest.digest)
    return manifest
