"""Videos -> clips -> shards, in two passes.

First a worker process cuts each video into clips, whose samples become a fragment: a tar and a sidecar. Then each shard
takes the clips of its range of keys from the fragments. Both passes skip what an earlier run finished.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, TypeAlias

import apache_beam as beam

from corpusloom.pipelines.engine.worker_pool import PoolConfig, WorkerPool
from corpusloom.pipelines.filters.language import measure_language
from corpusloom.pipelines.stages.clips import cut_video as cutting
from corpusloom.pipelines.stages.clips.cut_video import CutConfig, CutVideo, Video, cut_video, fragment_paths
from corpusloom.pipelines.stages.units import FinishUnit, FinishUnits
from corpusloom.pipelines.store.dataset.samples import UnwrittenSample
from corpusloom.pipelines.store.dataset.shard_files import ShardReport, commit_shard, is_finished, write_shard_files
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.stages import DELETE_STAGE
from corpusloom.schemas import arrow, layout, storage, tables
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.records import ProvenanceRow, SidecarRow, StageCounts
from corpusloom.schemas.verdicts import Dead, Kept, Rejected

STAGE = "clips"
UNIT = "clip"
BATCH = 64
"""Videos per unit of work; its worker processes share them."""
CPU_SECONDS = 4 * 3600
"""CPU seconds per video, after which its worker is killed; the limits of `decoding` end a video long before."""
WALL_SECONDS = 8.0 * 3600
MEMORY = 4_000_000_000
"""Bytes of address space per worker: an 8K stream of 16 reference frames needs 2 GB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipsConfig:
    """Configuration of the clips stage."""

    folder: str
    """Folder of the stage."""
    dataset: str
    cut: CutConfig
    workers: int = 1
    pool: PoolConfig = field(default_factory=lambda: PoolConfig(
        chunk_items=1, memory=MEMORY, cpu_seconds=CPU_SECONDS, wall_seconds=WALL_SECONDS))  # fmt: skip
    """Limits of a worker."""


@dataclass(frozen=True, slots=True)
class VideoBatch:
    """Videos that are cut together."""

    videos: tuple[Video, ...]


@dataclass(frozen=True, slots=True)
class ShardOfClips:
    """A shard and the videos that have clips in it."""

    index: int
    shards: int
    videos: tuple[str, ...]
    """SHA-256 of each video."""


def batches_of(videos: Sequence[Video]) -> list[VideoBatch]:
    """Return videos in batches."""
    return [VideoBatch(tuple(videos[start : start + BATCH])) for start in range(0, len(videos), BATCH)]


VideoReport: TypeAlias = tuple[tuple[StageCounts, ...], list[str]]
"""The counts of a finished video, and the keys of its clips."""


def report_path(folder: str, sha256: str) -> str:
    """Return the path of a video's report in the stage's folder, which marks the video as finished."""
    return storage.join(folder, "videos-done", f"{sha256}.json")


def write_report(config: ClipsConfig, video: Video, made: CutVideo | Dead) -> tuple[StageCounts, ...]:
    """Write a video's part of the ledger, then its report; return its counts."""
    made = CutVideo(verdict=made) if isinstance(made, Dead) else made
    ledger = Ledger(STAGE)
    if ledger.record(made.verdict, unit="video", key=video.key, url=video.name, scores={}):
        ledger.remark("video", made.remarks)
    ledger.provenance.append(ProvenanceRow(stage=STAGE, key=video.key, url=video.name, message=", ".join(made.remarks)))
    for key in made.clips:
        ledger.record(Kept(), unit=UNIT, key=key, parent=video.key, scores={})
    for key in made.late:
        ledger.record(Rejected("cues_after_end"), unit=UNIT, key=key, parent=video.key, url=video.name, scores={})
    ledger.write(storage.join(config.folder, "videos"), video.sha256)
    counts = tuple(ledger.counts())
    values = {"counts": arrow.to_plain(counts), "clips": list(made.clips)}
    storage.write_bytes(report_path(config.folder, video.sha256), json_files.seal(values))
    return counts


def read_report(folder: str, sha256: str) -> VideoReport:
    """Return the counts and the clips' keys of a finished video."""
    path = report_path(folder, sha256)
    values = json_files.read_object(path, DELETE_STAGE, {"counts": list, "clips": list})
    counts = tuple(json_files.as_record(row, StageCounts, path, DELETE_STAGE) for row in values["counts"])
    return counts, values["clips"]


@dataclass(frozen=True, slots=True)
class CutVideos:
    """The work of the first pass: cuts batches of videos into fragments on disk."""

    stage: ClassVar[str] = STAGE
    unit: ClassVar[str] = "input"
    config: ClipsConfig

    def is_finished(self, batch: VideoBatch) -> bool:
        """Return whether an earlier run cut these videos."""
        return not self._left(batch)

    def _left(self, batch: VideoBatch) -> list[Video]:
        return [video for video in batch.videos if not storage.exists(report_path(self.config.folder, video.sha256))]

    @contextlib.contextmanager
    def open(self) -> Iterator[FinishUnit[VideoBatch]]:
        """Start the worker processes, once per Beam worker."""
        config = self.config
        pool: WorkerPool[Video, CutVideo] = WorkerPool(
            partial(cut_video, config=config.cut),
            dataclasses.replace(config.pool, size=config.workers),
            cost=lambda video: video.bytes,
            preload=(cutting.__name__,),
        )

        def finish(batch: VideoBatch) -> tuple[StageCounts, ...]:
            left = self._left(batch)
            made = zip(left, pool.map(left), strict=True)
            return tuple(row for video, found in made for row in write_report(config, video, found))

        with pool:
            yield finish


def shards_of(reports: Mapping[str, VideoReport], shards: int) -> list[ShardOfClips]:
    """Return every shard with the videos that have clips in it, by the reports of the first pass: sha256 -> report."""
    found: list[list[str]] = [[] for _ in range(shards)]
    for sha256, (_, keys) in reports.items():
        for index in sorted({layout.shard_of(key, shards) for key in keys}):
            found[index].append(sha256)
    return [ShardOfClips(index, shards, tuple(names)) for index, names in enumerate(found)]


def samples_of(shard: ShardOfClips, folder: str) -> Iterator[UnwrittenSample]:
    """Yield the clips of a shard from the fragments, sorted by key."""
    rows: list[tuple[SidecarRow, str]] = []
    for sha256 in shard.videos:
        tar, sidecar = fragment_paths(folder, sha256)
        for row in tables.read_records(sidecar, SidecarRow):
            if layout.shard_of(row.key, shard.shards) == shard.index:
                rows.append((row, tar))
    for row, tar in sorted(rows, key=lambda item: item[0].key):
        first = min(member.offset for member in row.members)
        data = storage.read_bytes(tar, first, max(member.offset + member.size for member in row.members))
        fields = {m.field: data[m.offset - first : m.offset - first + m.size] for m in row.members}
        language, _ = measure_language(row.caption or "")
        known = {member.field: member for member in row.members}
        yield UnwrittenSample(row.key, fields, dataclasses.replace(row, language=language, members=()), {}, known)


def write_shard(shard: ShardOfClips, config: ClipsConfig) -> ShardReport:
    """Write one shard; return its report."""
    ledger = Ledger("shards")

    def samples() -> Iterator[UnwrittenSample]:
        for sample in samples_of(shard, config.cut.folder):
            ledger.record(Kept(), unit=UNIT, key=sample.key)
            yield sample

    return commit_shard(config.folder, shard.index, write_shard_files(config.dataset, shard.index, samples()), ledger)


@dataclass(frozen=True, slots=True)
class WriteClips:
    """The work of the second pass: writes shards from the fragments."""

    stage: ClassVar[str] = "shards"
    unit: ClassVar[str] = "shard"
    config: ClipsConfig

    def is_finished(self, shard: ShardOfClips) -> bool:
        """Return whether an earlier run wrote this shard."""
        return is_finished(self.config.dataset, self.config.folder, shard.index)

    @contextlib.contextmanager
    def open(self) -> Iterator[FinishUnit[ShardOfClips]]:
        """Yield the work on a shard."""
        yield lambda shard: write_shard(shard, self.config).counts


def build(
    pipeline: beam.Pipeline, work: CutVideos | WriteClips, units: Sequence[VideoBatch] | Sequence[ShardOfClips]
) -> beam.PCollection[VideoBatch | ShardOfClips]:
    """Build the pipeline of one pass."""
    step = "Cut videos" if isinstance(work, CutVideos) else "Write clips"
    return pipeline | "Units" >> beam.Create(units) | step >> FinishUnits(work=work, step=step)
