"""A dataset's statistics: partials a row group, computed by Dask wherever it runs, summed to a `StatsSummary`."""

from dataclasses import dataclass

import dask
from dask.delayed import Delayed, delayed

from corpusloom.pipelines.datasets.stats.aggregate import TOP_DOMAINS, Aggregate, of_row_group
from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.manifest import Manifest, read_manifest
from corpusloom.schemas.records import StatsSummary

FAN_IN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsConfig:
    """Where statistics are computed."""

    scheduler: str = "threads"
    """threads, synchronous, or the address of a Dask cluster (tcp://...)."""


def partials(dataset: str, manifest: Manifest) -> list[Delayed]:
    """Return one task a row group of the dataset's sidecars."""
    tasks = []
    for shard in manifest.shards:
        path = storage.join(dataset, shard.sidecar.name)
        with tables.open_parquet(path) as file:
            groups = file.num_row_groups
        tasks += [delayed(of_row_group)(path, group) for group in range(groups)]
    return tasks


def _add(parts: list[Aggregate]) -> Aggregate:
    return sum(parts, Aggregate())


def reduce_partials(tasks: list[Delayed]) -> Delayed:
    """Return the task that sums all partials, as a tree: no task holds more than a few."""
    if not tasks:
        return delayed(Aggregate)()
    while len(tasks) > 1:
        tasks = [delayed(_add)(tasks[start : start + FAN_IN]) for start in range(0, len(tasks), FAN_IN)]
    return tasks[0]


def compute(task: Delayed, config: StatsConfig) -> Aggregate:
    """Run a task with the scheduler asked for; a cluster that does not answer is an error."""
    if "://" not in config.scheduler:
        if config.scheduler not in ("threads", "synchronous"):
            raise ConfigError(
                f"no scheduler {config.scheduler!r}", remedy="use threads, synchronous or tcp://HOST:PORT"
            )
        return dask.compute(task, scheduler=config.scheduler)[0]
    from distributed import Client

    try:
        with Client(config.scheduler, timeout=10) as client:
            return client.compute(task).result()
    except OSError as error:
        raise ConfigError(f"no Dask scheduler answers: {error}", where=config.scheduler) from error


def summarise(dataset: str, config: StatsConfig | None = None) -> StatsSummary:
    """Return a dataset's statistics. Quantiles are exact to 1 % (geometric bins)."""
    manifest = read_manifest(dataset)
    total = compute(reduce_partials(partials(dataset, manifest)), config or StatsConfig())
    rejected = {
        f"{row.stage}/{row.unit}/{reason}": count
        for row in manifest.counts
        for reason, count in {**row.rejected, **row.dead}.items()
    }
    return StatsSummary(
        dataset=dataset,
        recipe=manifest.recipe,
        kind=manifest.kind,
        digest=manifest.digest,
        samples=total.samples,
        images=total.images,
        shards=len(manifest.shards),
        tar_bytes=sum(shard.tar.bytes for shard in manifest.shards),
        text_characters=total.characters,
        funnel=manifest.counts,
        quantiles={name: spread.summary() for name, spread in sorted(total.spreads.items())},
        histograms={name: spread.histogram() for name, spread in sorted(total.spreads.items())},
        languages=dict(total.languages.most_common()),
        formats=dict(total.formats.most_common()),
        domains=dict(total.domains.most_common(TOP_DOMAINS)),
        rejected=rejected,
        opt_outs=dict(total.opt_outs.most_common()),
    )
