"""Repairs a dataset: writes the damaged shards again, and only those, from the stages that it was built from."""

from collections.abc import Iterable

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.plan import Planner
from corpusloom.pipelines.datasets.damage import REINDEX, Damage, DamageKind, describe
from corpusloom.pipelines.datasets.forget import read_config
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.stages.select.decisions import wanted_urls
from corpusloom.pipelines.store.stages import Stage, read_report
from corpusloom.schemas import layout, storage
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.manifest import Manifest, read_manifest


def repair(dataset: str, damages: Iterable[Damage]) -> Manifest:
    """Write the damaged shards, the tables and the manifest again; return the new manifest.

    Raises:
      InputError: The stages are gone, or the folder holds a foreign file. Nothing has been changed then.
    """
    if read_manifest(dataset).recipe == layout.FOREIGN:
        raise InputError("is an index of foreign tars, which no build can repair", where=dataset, remedy=REINDEX)
    found = list(damages)
    for damage in found:
        if damage.kind == DamageKind.FOREIGN_FILE:
            raise InputError(describe(damage), where=damage.where, remedy=damage.remedy)
    shards = sorted({damage.shard for damage in found if damage.shard is not None})
    planner = Planner(read_config(dataset))
    stage = _finished_stage(planner, dataset)
    storage.remove(storage.join(dataset, layout.MANIFEST))
    for shard in shards:
        storage.remove(stage.path("done", f"{layout.shard_stem(shard)}.json"))
    report = build.build(planner.config, Reporter(quiet=True))
    if report.manifest is None:
        raise InputError("the build ended before its shards", where=dataset, remedy="run the same command again")
    return report.manifest


def _finished_stage(planner: Planner, dataset: str) -> Stage:
    config = planner.config
    extract, _ = planner.planned_pages()
    select = planner.plan_select(extract)
    if select.done:
        urls = wanted_urls(select, config.recipe)
        stage = planner.plan_shards(select, urls, planner.shard_count(read_report(select)))
        if stage.done:
            return stage
    raise InputError(
        "the stages of this dataset are missing or have changed",
        where=f"{dataset}: {config.work}",
        remedy="build into a new folder with loom build --out",
    )
