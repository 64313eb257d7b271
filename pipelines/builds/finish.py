"""The last step of a build: the dataset's tables, the check that no record was lost, and the manifest."""

import dataclasses
import json
import time
from typing import Any

from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.builds.plan import Planner
from corpusloom.pipelines.recipes.recipe import config_json
from corpusloom.pipelines.stages.select.decisions import decision_rows, image_ledger
from corpusloom.pipelines.store.dataset import folder as store_dataset
from corpusloom.pipelines.store.dataset import siblings
from corpusloom.pipelines.store.dataset.card import document
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.partitions import scratch_folder
from corpusloom.pipelines.store.stages import Stage, add_counts, check_conservation, check_flow, commit, read_report
from corpusloom.schemas import arrow, layout, storage
from corpusloom.schemas.errors import ConfigError, DamageError, LoomError
from corpusloom.schemas.layout import MANIFEST
from corpusloom.schemas.manifest import Manifest, make_digest, read_manifest, write_manifest
from corpusloom.schemas.records import FileEntry
from corpusloom.schemas.urls.redaction import redacted


def is_damaged(dataset: str) -> bool:
    """Return whether a dataset has a manifest that is truncated or altered."""
    try:
        read_manifest(dataset)
    except DamageError:
        return True
    except LoomError:
        pass
    return False


def refuse_other(dataset: str, shards: Stage) -> None:
    """Raise ConfigError if the folder holds a finished dataset that `shards` did not make.

    If `shards` is finished and the manifest is damaged, the manifest is removed, so that the build writes it anew.
    """
    path = storage.join(dataset, MANIFEST)
    if shards.done and is_damaged(dataset):
        storage.remove(path)
    elif storage.exists(path):
        raise ConfigError(
            "holds a finished dataset of another configuration or input",
            where=dataset,
            remedy="give another --out, or delete the folder",
        )


def shard_fragments(stage: Stage, kind: str, shards: int) -> list[str]:
    """Return the paths of a stage's fragments of one kind, one per shard."""
    return [stage.path(kind, f"{layout.shard_stem(index)}.parquet") for index in range(shards)]


def write_tables(
    planner: Planner, inputs: list[FileEntry], select: Stage, shards: Stage, number: int, imaged: Ledger
) -> list[FileEntry]:
    """Write the dataset's ledger, scores and provenance, one file per stage each; return their entries."""
    entries, config = [], planner.config
    told: dict[str, list[Any]] = {"ledger": imaged.rows, "scores": imaged.scores, "provenance": imaged.provenance}
    for kind, (cls, _) in store_dataset.TABLES.items():
        fetched = told[kind]
        made = {
            "extract": store_dataset.read_fragments(kind, planner.fragments(inputs, kind)),
            "select": decision_rows(select, kind),
            "images": store_dataset.TableRows(len(fetched), [arrow.to_table(cls, fetched)]),
            "shards": store_dataset.read_fragments(kind, shard_fragments(shards, kind, number)),
        }
        for name in sorted(made):
            with scratch_folder(config.work) as scratch:
                entries.append(store_dataset.write_rows(config.out, kind, name, made[name], scratch))
    return entries


def finish(
    planner: Planner,
    stages: tuple[Stage, Stage, Stage],
    reports: list[Any],
    inputs: list[FileEntry],
    urls: list[str],
) -> Manifest:
    """Write the tables, check that no record was lost and return the manifest, which is not written yet."""
    config, (extract, select, shards) = planner.config, stages
    shard_counts = add_counts([row for report in reports for row in report.counts])
    imaged = image_ledger(config.store, urls)
    counts = (
        *read_report(extract).counts,
        *read_report(select).counts,
        *imaged.counts(),
        *shard_counts,
    )
    check_conservation(counts)
    check_flow(counts)
    entries = tuple(report.entry for report in reports if report.entry is not None)
    files = tuple(write_tables(planner, inputs, select, shards, len(reports), imaged))
    store_dataset.write_sizes(config.out, entries)
    config_text = config_json(config.recipe)
    manifest = Manifest(
        recipe=config.recipe.name,
        kind=config.recipe.kind,
        config=config_text,
        inputs=tuple(dataclasses.replace(entry, name=redacted(entry.name).rsplit("/", 1)[-1]) for entry in inputs),
        image_generation=ImageStore(config.store).generations()[-1],
        shard_count=len(reports),
        samples=sum(entry.samples for entry in entries),
        counts=counts,
        shards=entries,
        tables=files,
        digest=make_digest(config_text, entries, files),
    )
    commit(shards, shard_counts, digest=manifest.digest)
    return manifest


NOT_RECORDED = {"recipe", "out", "fetch", "fetcher", "profile", "workers", "memory", "passes", "load_clip"}
"""Fields that `origin` does not copy: the recipe has a key of its own, the others do not change the dataset."""


def origin(config: BuildConfig) -> dict[str, Any]:
    """Return a dataset's recipe and inputs for run.json: a repair builds the dataset again from them."""
    names = [item.name for item in dataclasses.fields(config) if item.name not in NOT_RECORDED]
    recorded = {name: arrow.to_plain(getattr(config, name)) for name in names}
    return {"recipe": json.loads(config_json(config.recipe)), **recorded}


def write_dataset(config: BuildConfig, manifest: Manifest, started: float, seconds: dict[str, float]) -> Manifest:
    """Write run.json, the dataset's documents and, last, the manifest; return the manifest."""
    facts = {"started": started, "finished": time.time(), "seconds": seconds, "build": origin(config)}
    manifest = document(config.out, manifest)
    store_dataset.write_run(config.out, facts, manifest)
    siblings.register(config.store, config.out)
    write_manifest(config.out, manifest)
    return manifest
