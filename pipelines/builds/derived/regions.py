"""Builds a dataset of regions (ViLBERT) from a dataset of pairs, and builds it again after a take-down in the pairs."""

import json
import time
from functools import partial
from typing import Any

from corpusloom.pipelines.builds.config import BuildReport
from corpusloom.pipelines.engine.metrics import Measures
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.rows_written import RowsWritten
from corpusloom.pipelines.engine.runners import Profile, run
from corpusloom.pipelines.models.detector import EfficientNetDetector
from corpusloom.pipelines.stages.kinds.pairs import PAIRS
from corpusloom.pipelines.stages.kinds.registry import REGIONS
from corpusloom.pipelines.stages.regions.make_regions import STAGE, Detect, RegionsConfig, WriteRegions, build
from corpusloom.pipelines.stages.regions.outputs import outputs_folder
from corpusloom.pipelines.store.dataset import folder as store_dataset
from corpusloom.pipelines.store.dataset.card import document
from corpusloom.pipelines.store.dataset.shard_files import read_shard_report
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
from corpusloom.schemas import layout, storage
from corpusloom.schemas.errors import ConfigError, DamageError, LoomError
from corpusloom.schemas.manifest import Manifest, make_digest, read_manifest, write_manifest

REGIONS_VERSION = 2


def build_dataset(
    source: str,
    out: str,
    work: str,
    reporter: Reporter,
    *,
    store: str,
    limit: int | None = None,
    profile: Profile | None = None,
) -> BuildReport:
    """Build the dataset of regions of a dataset of pairs, unless it is finished.

    `store` is an image store; it keeps what the detector finds in an image, so that no later build computes it again.
    """
    reporter = reporter.fresh()
    pairs = read_manifest(source)
    if pairs.kind != PAIRS.name:
        raise ConfigError(f"holds {pairs.kind}, not {PAIRS.name}", where=source, remedy="name a dataset built by align")
    check_tars(source, pairs)
    inputs = inputs_of(pairs, limit)
    stage = plan_regions(work, inputs)
    record(source, Derived(kind=REGIONS, path=absolute(out), work=absolute(work), store=absolute(store), limit=limit))
    if stage.done:
        try:
            found = read_manifest(out)
        except LoomError:
            found = None
        if found is not None and found.digest == read_report(stage).facts["digest"]:
            return BuildReport(manifest=found, reused=(STAGE,), seconds=reporter.seconds)
    if storage.exists(storage.join(out, layout.MANIFEST)):
        raise ConfigError("holds another finished dataset", where=out, remedy="give another --out")
    with store_dataset.building(out):
        store_dataset.claim(out, stage.fingerprint)
        config = RegionsConfig(
            source=source, dataset=out, folder=stage.folder, store=store, detector=inputs["detector"], limit=limit
        )

        def run_pass(work_of_pass: Detect | WriteRegions) -> Measures:
            return run(partial(build, work=work_of_pass, shards=pairs.shards), profile or Profile())

        images, written = pairs.samples if limit is None else None, RowsWritten(outputs_folder(store, config.detector))
        with reporter.stage(STAGE, images, written, "images", detail="detect regions"):
            reporter.add_measures(run_pass(Detect(config)))
        with reporter.stage(STAGE, len(pairs.shards), lambda: len(storage.listing(stage.path("done"))), "shards"):
            reporter.add_measures(run_pass(WriteRegions(config)))
        manifest = finish(pairs, out, stage, json.dumps(inputs, sort_keys=True))
        manifest = document(out, manifest, fetched_in=source)
        facts = {"finished": time.time(), "seconds": reporter.seconds, "source": source}
        store_dataset.write_run(out, facts, manifest)
        write_manifest(out, manifest)
    return BuildReport(manifest=manifest, reused=(), seconds=reporter.seconds, measures=reporter.measures)


def inputs_of(pairs: Manifest, limit: int | None) -> dict[str, Any]:
    """Return all that shapes a dataset of regions."""
    return {"source": pairs.digest, "detector": EfficientNetDetector().identity.label, "limit": limit}


def plan_regions(work: str, inputs: dict[str, Any]) -> Stage:
    """Return the regions stage, the only stage of such a build."""
    return plan_stage(work, STAGE, stage_version=REGIONS_VERSION, inputs=inputs)


def make_anew(source: str, made: Derived, before: Manifest | None, after: Manifest) -> None:
    """Build a dataset of regions again after records of its pairs were removed.

    Shards whose pairs are the same bytes as before are not computed again.
    """
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
    store = made.store or storage.join(made.work, "images")
    build_dataset(source, made.path, made.work, Reporter(quiet=True), store=store, limit=made.limit)


def check_tars(source: str, pairs: Manifest) -> None:
    """Raise DamageError unless each tar has the size in the manifest: images of a truncated tar would seem broken."""
    for shard in pairs.shards:
        path = storage.join(source, shard.tar.name)
        found = storage.size(path)
        if found != shard.tar.bytes:
            raise DamageError(
                f"has {found} bytes, the manifest says {shard.tar.bytes}", where=path, remedy="run loom verify"
            )


def finish(pairs: Manifest, out: str, stage: Stage, config: str) -> Manifest:
    """Write the tables, check that no record was lost and return the manifest, which is not written yet."""
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
        kind=REGIONS,
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
