"""Builds a dataset: runs the stages of a recipe in order, reuses finished stages and writes the manifest last."""

import time
from contextlib import nullcontext
from typing import Literal

from corpusloom.pipelines.builds.apply_tombstones import purge_work
from corpusloom.pipelines.builds.checks import check_files, check_images, refuse_other_dataset
from corpusloom.pipelines.builds.config import BuildConfig, BuildReport
from corpusloom.pipelines.builds.finish import finish, is_damaged, refuse_other, write_dataset
from corpusloom.pipelines.builds.plan import Planner, check_finished, is_whole
from corpusloom.pipelines.builds.run_stages import Stages
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.stages.select.decisions import image_ledger
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.dataset import folder as store_dataset
from corpusloom.pipelines.store.stages import Stage, read_report
from corpusloom.schemas import storage
from corpusloom.schemas.layout import MANIFEST
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import FileEntry

Until = Literal["select", "images", "shards"]
"""Last stage that a build runs."""


def build(config: BuildConfig, reporter: Reporter, *, until: Until = "shards", alone: bool = False) -> BuildReport:
    """Build a recipe's dataset, or run its stages up to one of them. Finished stages are reused.

    Records that were taken down on the image store since the work folder was written are removed from it first.

    Args:
      config: The build.
      reporter: Receiver of progress.
      until: Last stage that runs.
      alone: Run only that stage; InputError if a stage before it is not finished.
    """
    check_files(config)
    config = config.identified() if until != "select" else config
    if until != "select" and not alone:
        check_images(config)
    planner = Planner(config)
    purge_work(config.work, tombstones.read(config.store))
    extract, inputs = planner.planned_pages()
    if until == "shards":
        refuse_other_dataset(config, inputs)
    if alone:
        check_finished(planner, extract, inputs)
    finished = storage.exists(storage.join(config.out, MANIFEST)) and not is_damaged(config.out)
    with nullcontext() if finished or until != "shards" else store_dataset.building(config.out):
        return _run(Stages(planner, reporter.fresh()), extract, inputs, until)


def _run(stages: Stages, extract: Stage, inputs: list[FileEntry], until: Until) -> BuildReport:
    """Run the stages in order, up to `until`."""
    started, planner, config = time.time(), stages.planner, stages.config
    stages.pages(extract, inputs)
    select = planner.plan_select(extract)
    extracted = read_report(extract)
    selected = stages.reuse(select) or stages.select(select, inputs, extracted)
    number = planner.shard_count(selected)
    counts = (*extracted.counts, *selected.counts)
    if until == "select":
        return stages.report(None, counts)
    urls = stages.images(inputs, select)
    if until == "images":
        stages.score_records(inputs, select)
        return stages.report(None, (*counts, *image_ledger(config.store, urls).counts()))
    shards = planner.plan_shards(select, urls, number)
    if shards.done and is_whole(config.out, read_report(shards).facts["digest"]):
        stages.reused.append("shards")
        return stages.report(read_manifest(config.out))
    stages.score_records(inputs, select)
    refuse_other(config.out, shards)
    store_dataset.claim(config.out, shards.fingerprint)
    reports = stages.write_shards(shards, inputs, select, number)
    with stages.reporter.stage("ledger and manifest"):
        manifest = finish(planner, (extract, select, shards), reports, inputs, urls)
        manifest = write_dataset(config, manifest, started, stages.reporter.seconds)
    return stages.report(manifest)
