"""Builds a dataset of clips (VTP) from videos."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

from corpusloom.pipelines.builds.config import BuildConfig, BuildReport
from corpusloom.pipelines.builds.derived import finish_derived
from corpusloom.pipelines.builds.derived.finish_derived import DerivedDataset
from corpusloom.pipelines.builds.finish import refuse_other
from corpusloom.pipelines.builds.plan import is_whole
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.runners import run
from corpusloom.pipelines.recipes.recipe import Recipe, config_json
from corpusloom.pipelines.stages.clips.cut_video import CutConfig, Video
from corpusloom.pipelines.stages.clips.fetch_videos import RefusedRow, listed_videos
from corpusloom.pipelines.stages.clips.find_videos import find_videos
from corpusloom.pipelines.stages.clips.make_clips import (
    STAGE,
    ClipsConfig,
    CutVideos,
    VideoReport,
    WriteClips,
    batches_of,
    build,
    read_report,
    shards_of,
)
from corpusloom.pipelines.stages.shard_records import resize_of
from corpusloom.pipelines.store.dataset import folder as store_dataset
from corpusloom.pipelines.store.dataset.card import document
from corpusloom.pipelines.store.dataset.shard_files import read_shard_report
from corpusloom.pipelines.store.images.resize import Resize
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.stages import Stage, plan_stage
from corpusloom.pipelines.store.stages import read_report as read_stage
from corpusloom.schemas import layout, storage
from corpusloom.schemas.manifest import Manifest, read_manifest, write_manifest
from corpusloom.schemas.records import FileEntry
from corpusloom.schemas.urls.redaction import redacted
from corpusloom.schemas.verdicts import Rejected

CLIPS_VERSION = 1


def build_dataset(config: BuildConfig, reporter: Reporter) -> BuildReport:
    """Build the dataset of clips of the videos that a configuration names, unless it is finished."""
    reporter, started = reporter.fresh(), time.time()
    found, refused = find(config, reporter)
    videos, copies = without_copies(found)
    refused += [RefusedRow(key=copy.key, url=copy.name, verdict=Rejected("copy_of_video")) for copy in copies]
    stage = plan(config, found, refused)
    if stage.done and is_whole(config.out, read_stage(stage).facts["digest"]):
        return BuildReport(manifest=read_manifest(config.out), reused=(STAGE,), seconds=reporter.seconds)
    refuse_other(config.out, stage)
    with store_dataset.building(config.out):
        store_dataset.claim(config.out, stage.fingerprint)
        made = ClipsConfig(
            folder=stage.folder,
            dataset=config.out,
            cut=cut_config(config.recipe, stage.path("fragments"), config.limit),
            workers=config.workers,
        )
        cut = partial(build, work=CutVideos(made), units=batches_of(videos))
        with reporter.stage(STAGE, len(videos), lambda: len(storage.listing(stage.path("videos-done"))), "videos"):
            reporter.add_measures(run(cut, config.profile))
        cuts = {video.sha256: read_report(stage.folder, video.sha256) for video in videos}
        number = config.shards or layout.default_shards(sum(len(keys) for _, keys in cuts.values()))
        write = partial(build, work=WriteClips(made), units=shards_of(cuts, number))
        with reporter.stage("shards", number, lambda: len(storage.listing(stage.path("done"))), "shards"):
            reporter.add_measures(run(write, config.profile))
        manifest = finish(config, stage, videos, cuts, refused, number)
        manifest = document(config.out, manifest)
        facts = {"started": started, "finished": time.time(), "seconds": reporter.seconds}
        store_dataset.write_run(config.out, facts, manifest)
        write_manifest(config.out, manifest)
        storage.remove(stage.path("fragments"), recursive=True)
    return BuildReport(manifest=manifest, reused=(), seconds=reporter.seconds, measures=reporter.measures)


def find(config: BuildConfig, reporter: Reporter) -> tuple[list[Video], list[RefusedRow]]:
    """Return the videos of a build, fetched where a list names their URLs, and the rows of lists without one."""
    if config.lists:
        with reporter.stage("fetch the videos"):
            return listed_videos(config.lists, config.columns, storage.join(config.store, "videos"), config.image_fetch)
    with reporter.stage("hash the videos"):
        return find_videos(config.videos, config.recipe.clips.subtitle_languages), []


def plan(config: BuildConfig, found: Sequence[Video], refused: Sequence[RefusedRow] = ()) -> Stage:
    """Return the stage of a build of these videos."""
    inputs = inputs_of(config, found) | {"refused": [(row.key, row.url, repr(row.verdict)) for row in refused]}
    return plan_stage(config.work, STAGE, stage_version=CLIPS_VERSION, inputs=inputs)


def without_copies(found: Sequence[Video]) -> tuple[list[Video], list[Video]]:
    """Return the videos, each once, and the further copies of the same bytes."""
    first: dict[str, Video] = {}
    for video in found:
        first.setdefault(video.sha256, video)
    chosen = set(map(id, first.values()))
    return list(first.values()), [video for video in found if id(video) not in chosen]


def cut_config(recipe: Recipe, folder: str, limit: int | None) -> CutConfig:
    """Return how a recipe cuts videos."""
    stored = Resize(mode="no", size=1, quality=recipe.images.quality)
    return CutConfig(
        folder=folder,
        resize=resize_of(recipe) or stored,
        longest=recipe.clips.max_seconds * 1000,
        fps=recipe.clips.fps,
        validation=recipe.split.val,
        limit=limit,
    )


def inputs_of(config: BuildConfig, videos: Sequence[Video]) -> dict[str, Any]:
    """Return all that shapes a dataset of clips."""
    subtitles = {video.subtitles: storage.hash_file(video.subtitles)[0] for video in videos if video.subtitles}
    rows = [
        (video.sha256, video.name, video.caption, video.language, video.subtitles and subtitles[video.subtitles])
        for video in videos
    ]
    return {
        "recipe": config_json(config.recipe),
        "limit": config.limit,
        "shards": config.shards,
        "av": version("av"),
        "videos": rows,
    }


def finish(
    config: BuildConfig,
    stage: Stage,
    videos: Sequence[Video],
    cuts: Mapping[str, VideoReport],
    refused: Sequence[RefusedRow],
    shards: int,
) -> Manifest:
    """Write the tables, check that no record was lost and return the manifest, which is not written yet."""
    reports = [read_shard_report(stage.folder, index) for index in range(shards)]
    others = Ledger(STAGE)
    for row in refused:
        others.record(row.verdict, unit="video", key=row.key, url=row.url, scores={})
    others.write(stage.path("refused"), "refused")

    def fragments_of(kind: str) -> list[str]:
        paths = [stage.path("videos", kind, f"{video.sha256}.parquet") for video in videos]
        return [*paths, stage.path("refused", kind, "refused.parquet")]

    counted = [
        *(row for rows, _ in cuts.values() for row in rows),
        *others.counts(),
        *(row for report in reports for row in report.counts),
    ]
    made = DerivedDataset(
        folder=config.out,
        recipe=config.recipe.name,
        kind=config.recipe.kind,
        config=config_json(config.recipe),
        inputs=tuple(
            FileEntry(name=redacted(video.name).rsplit("/", 1)[-1], sha256=video.sha256, bytes=video.bytes)
            for video in videos
        ),
        shard_count=shards,
    )
    return finish_derived.finish(made, stage, reports, counted, fragments_of)
