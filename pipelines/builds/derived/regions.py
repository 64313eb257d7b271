"""Builds a dataset of regions (ViLBERT) from a dataset of pairs, and builds it again after a take-down in the pairs."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from corpusloom.pipelines.builds.config import BuildReport
from corpusloom.pipelines.builds.derived import finish_derived
from corpusloom.pipelines.builds.derived.finish_derived import DerivedDataset
from corpusloom.pipelines.builds.inputs import hashed
from corpusloom.pipelines.builds.plan import is_whole
from corpusloom.pipelines.engine.metrics import Measures
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.rows_written import RowsWritten
from corpusloom.pipelines.engine.runners import Profile, run
from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.stages.kinds.pairs import PAIRS
from corpusloom.pipelines.stages.kinds.registry import REGIONS
from corpusloom.pipelines.stages.regions.make_regions import STAGE, Detect, RegionsConfig, WriteRegions, build
from corpusloom.pipelines.stages.regions.model_card import model_card
from corpusloom.pipelines.stages.regions.outputs import outputs_folder
from corpusloom.pipelines.stages.regions.sources import SourceIdentity, identify
from corpusloom.pipelines.stages.regions.tsv import index_files, row_ledger
from corpusloom.pipelines.stages.units import UnitWork
from corpusloom.pipelines.store.dataset import folder as store_dataset
from corpusloom.pipelines.store.dataset.card import document
from corpusloom.pipelines.store.dataset.shard_files import read_shard_report
from corpusloom.pipelines.store.lineage import Derived, absolute, record
from corpusloom.pipelines.store.stages import Stage, carry_over, plan_stage, read_report
from corpusloom.schemas import config as configs
from corpusloom.schemas import layout, storage
from corpusloom.schemas.errors import ConfigError, DamageError
from corpusloom.schemas.manifest import Manifest, read_manifest, write_manifest
from corpusloom.schemas.records import FileEntry

REGIONS_VERSION = 3


def build_dataset(
    source: str,
    out: str,
    work: str,
    reporter: Reporter,
    *,
    store: str,
    settings: RegionSettings | None = None,
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
    finder = find_source(settings or RegionSettings())
    made = Derived(
        kind=REGIONS, path=absolute(out), work=absolute(work), store=absolute(store), limit=limit,
        finder=json.dumps(asdict(finder), sort_keys=True),
    )  # fmt: skip
    return _build(source, pairs, made, finder, reporter, profile or Profile())


def find_source(settings: RegionSettings) -> SourceIdentity:
    """Return what finds the regions; its TSVs are hashed, and their first lines read."""
    paths = sorted({path for pattern in settings.tsv for path in storage.expand(pattern)})
    for path in paths:
        index_files.file_order(path, settings.tsv_columns)
    files = hashed(paths)
    ordered = tuple(files[sha256] for sha256 in sorted(files))
    same = row_ledger.check_names(ordered)
    if same is not None:
        raise ConfigError(
            f"has the name of {same[0]}", where=same[1], remedy="rename one: the ledger names their lines"
        )
    return identify(settings, ordered)


def _build(
    source: str, pairs: Manifest, made: Derived, finder: SourceIdentity, reporter: Reporter, profile: Profile
) -> BuildReport:
    """Build the dataset of regions, unless it is finished."""
    out, inputs = made.path, inputs_of(pairs, made.limit, finder)
    stage, index = plan_regions(made.work, inputs), plan_index(made.work, finder)
    record(source, made)
    if stage.done and is_whole(out, read_report(stage).facts["digest"]):
        return BuildReport(manifest=read_manifest(out), reused=(STAGE,), seconds=reporter.seconds)
    if storage.exists(storage.join(out, layout.MANIFEST)):
        raise ConfigError("holds another finished dataset", where=out, remedy="give another --out")
    with store_dataset.building(out):
        store_dataset.claim(out, stage.fingerprint)
        config = RegionsConfig(
            source=source, dataset=out, folder=stage.folder, store=made.store, finder=finder, index=index.folder,
            limit=made.limit,
        )  # fmt: skip

        def run_pass(work: UnitWork[Any], units: Sequence[Any], step: str) -> Measures:
            return run(partial(build, work=work, units=units, step=step), profile)

        if finder.files:
            indexing = index_files.IndexTsv(index.folder, finder.settings.tsv_columns)
            with reporter.stage(STAGE, len(finder.files), None, "files", detail="index TSVs"):
                reporter.add_measures(run_pass(indexing, finder.files, "Index TSVs"))
        images, written = (
            pairs.samples if made.limit is None else None,
            RowsWritten(outputs_folder(made.store, finder.label)),
        )
        with reporter.stage(STAGE, images, written, "images", detail="detect regions"):
            reporter.add_measures(run_pass(Detect(config), pairs.shards, "Detect regions"))
        with reporter.stage(STAGE, len(pairs.shards), lambda: len(storage.listing(stage.path("done"))), "shards"):
            reporter.add_measures(run_pass(WriteRegions(config), pairs.shards, "Write regions"))
        manifest = finish(pairs, config, stage, json.dumps(inputs, sort_keys=True))
        manifest = document(out, manifest, fetched_in=source, model_card=model_card(finder))
        facts = {"finished": time.time(), "seconds": reporter.seconds, "source": source}
        store_dataset.write_run(out, facts, manifest)
        write_manifest(out, manifest)
    return BuildReport(manifest=manifest, reused=(), seconds=reporter.seconds, measures=reporter.measures)


def inputs_of(pairs: Manifest, limit: int | None, finder: SourceIdentity) -> dict[str, Any]:
    """Return all that shapes a dataset of regions."""
    inputs = {"source": pairs.digest, "detector": finder.label, "limit": limit}
    return inputs | ({"match": finder.settings.match} if finder.files else {})


def plan_regions(work: str, inputs: dict[str, Any]) -> Stage:
    """Return the regions stage, the last stage of such a build."""
    return plan_stage(work, STAGE, stage_version=REGIONS_VERSION, inputs=inputs)


def plan_index(work: str, finder: SourceIdentity) -> Stage:
    """Return the stage that indexes the TSVs."""
    inputs = {"files": [file.sha256 for file in finder.files], "columns": list(finder.settings.tsv_columns)}
    return plan_stage(work, index_files.STAGE, stage_version=index_files.VERSION, inputs=inputs)


def make_anew(source: str, made: Derived, before: Manifest | None, after: Manifest) -> None:
    """Build a dataset of regions again after records of its pairs were removed.

    Shards whose pairs are the same bytes as before are not computed again.
    """
    finder = read_finder(made)
    new = plan_regions(made.work, inputs_of(after, made.limit, finder))
    same: set[int] = set()
    for name in (layout.MANIFEST, "README.md", "croissant.json", "report.html"):
        storage.remove(storage.join(made.path, name))
    if before is not None:
        old = plan_regions(made.work, inputs_of(before, made.limit, finder))
        tars = {shard.index: shard.tar.sha256 for shard in before.shards}
        same = {shard.index for shard in after.shards if tars.get(shard.index) == shard.tar.sha256}
        for index in sorted(same):
            carry_over(old, new, index)
        storage.remove(old.folder, recursive=True)
    with store_dataset.building(made.path):
        store_dataset.claim(made.path, new.fingerprint)
        for index in {shard.index for shard in (before or after).shards} - same:
            store_dataset.remove_shard(made.path, index)
    again = replace(made, store=made.store or storage.join(made.work, "images"))
    _build(source, read_manifest(source), again, finder, Reporter(quiet=True), Profile())


def read_finder(made: Derived) -> SourceIdentity:
    """Return what found the regions of a derived dataset, as it was: its TSVs are not read again."""
    if not made.finder:
        return find_source(RegionSettings())
    values = json.loads(made.finder)
    files = tuple(FileEntry(**row) for row in values["files"])
    return SourceIdentity(
        settings=configs.build(RegionSettings, values["settings"]), label=values["label"], files=files
    )


def check_tars(source: str, pairs: Manifest) -> None:
    """Raise DamageError unless each tar has the size in the manifest: images of a truncated tar would seem broken."""
    for shard in pairs.shards:
        path = storage.join(source, shard.tar.name)
        found = storage.size(path)
        if found != shard.tar.bytes:
            raise DamageError(
                f"has {found} bytes, the manifest says {shard.tar.bytes}", where=path, remedy="run loom verify"
            )


def finish(pairs: Manifest, config: RegionsConfig, stage: Stage, described: str) -> Manifest:
    """Write the tables, check that no record was lost and return the manifest, which is not written yet."""
    stems = [layout.shard_stem(shard.index) for shard in pairs.shards]
    reports = [read_shard_report(stage.folder, shard.index) for shard in pairs.shards]
    counted = [row for report in reports for row in report.counts]
    if config.finder.files:
        used = row_ledger.outcomes(row_ledger.fragments_of(stage.folder, stems))
        names, rows = row_ledger.write_row_ledger(STAGE, stage.folder, config.finder.files, config.index, used)
        stems, counted = stems + names, counted + rows
    dataset = DerivedDataset(
        folder=config.dataset,
        recipe="regions",
        kind=REGIONS,
        config=described,
        image_generation=pairs.image_generation,
        shard_count=pairs.shard_count,
    )
    return finish_derived.finish(
        dataset, stage, reports, counted, lambda kind: [stage.path(kind, f"{stem}.parquet") for stem in stems]
    )
