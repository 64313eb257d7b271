"""Summary of a dataset: Dask computes the statistics per row group and adds them up, in threads or on a cluster."""

from dataclasses import asdict, dataclass
from typing import Any

import dask
from dask.delayed import Delayed, delayed

from corpusloom.pipelines.datasets.stats.aggregate import Aggregate, of_row_group
from corpusloom.pipelines.datasets.stats.statistics import STATISTICS, UNKNOWN, Total, ValueCounts
from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.manifest import Manifest, read_manifest
from corpusloom.schemas.records import StageCounts

FAN_IN = 16
"""Number of aggregates that one task adds up."""
CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsConfig:
    """Settings of the computation."""

    scheduler: str = "threads"
    """threads, synchronous, or the address of a Dask cluster (tcp://...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsSummary:
    """Statistics of a dataset, from its manifest and its sidecars."""

    dataset: str
    recipe: str
    kind: str
    digest: str
    samples: int
    shards: int
    tar_bytes: int
    funnel: tuple[StageCounts, ...]
    rejected: dict[str, int]
    """"stage/unit/reason" -> number of records that were not kept, errors included."""
    totals: dict[str, int | None]
    """Name of a statistic (images, text_characters) -> sum; None if it is not known, as in an index of tars."""
    counts: dict[str, dict[str, int]]
    """Name of a statistic (languages, formats, domains, opt_outs) -> value -> number, the commonest first."""
    quantiles: dict[str, dict[str, float]]
    """Column -> {"min", "p05", "p50", "p95", "max", "mean"}."""
    histograms: dict[str, tuple[tuple[float, float, int], ...]]
    """Column -> bars (low, high, count), of equal width on a linear or on a logarithmic axis."""

    def to_plain(self) -> dict[str, Any]:
        """Return the values of `loom stats --json`; each total and each table of counts has its own key."""
        values = asdict(self)
        totals, counts = values.pop("totals"), values.pop("counts")
        return values | totals | counts


def figure(value: float | None) -> str:
    """Return a number as text: a whole number exactly, another one with four digits, None as unknown."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value == int(value) and abs(value) < 2**53 else f"{value:.4g}"


def row_group_tasks(dataset: str, manifest: Manifest) -> list[Delayed]:
    """Return one task per row group of the dataset's sidecars."""
    tasks = []
    for shard in manifest.shards:
        path = storage.join(dataset, shard.sidecar.name)
        with tables.open_parquet(path) as file:
            groups = file.num_row_groups
        tasks += [delayed(of_row_group)(path, group) for group in range(groups)]
    return tasks


def _add(parts: list[Aggregate]) -> Aggregate:
    return sum(parts, Aggregate())


def reduce_tasks(tasks: list[Delayed]) -> Delayed:
    """Return the task that adds up all aggregates by a tree in which each task adds at most FAN_IN of them."""
    if not tasks:
        return delayed(Aggregate)()
    while len(tasks) > 1:
        tasks = [delayed(_add)(tasks[start : start + FAN_IN]) for start in range(0, len(tasks), FAN_IN)]
    return tasks[0]


def compute(task: Delayed, config: StatsConfig) -> Aggregate:
    """Run a task with the configured scheduler; a cluster that does not answer is a ConfigError."""
    if "://" not in config.scheduler:
        if config.scheduler not in ("threads", "synchronous"):
            raise ConfigError(
                f"no scheduler {config.scheduler!r}", remedy="use threads, synchronous or tcp://HOST:PORT"
            )
        return dask.compute(task, scheduler=config.scheduler)[0]
    from distributed import Client

    try:
        with Client(config.scheduler, timeout=CONNECT_SECONDS) as client:
            return client.compute(task).result()
    except OSError as error:
        raise ConfigError(f"no Dask scheduler answers: {error}", where=config.scheduler) from error


def summarise(dataset: str, config: StatsConfig | None = None) -> StatsSummary:
    """Return a dataset's statistics. Quantiles of whole numbers are exact, others to 1 %."""
    manifest = read_manifest(dataset)
    total = compute(reduce_tasks(row_group_tasks(dataset, manifest)), config or StatsConfig())
    return StatsSummary(
        dataset=dataset,
        recipe=manifest.recipe,
        kind=manifest.kind,
        digest=manifest.digest,
        samples=total.samples,
        shards=len(manifest.shards),
        tar_bytes=sum(shard.tar.bytes for shard in manifest.shards),
        funnel=manifest.counts,
        rejected=_not_kept(manifest),
        totals={item.name: total.totals.get(item.name, 0) for item in STATISTICS if isinstance(item, Total)},
        counts={item.name: _commonest(item, total) for item in STATISTICS if isinstance(item, ValueCounts)},
        quantiles={name: found.summary() for name, found in sorted(total.histograms.items())},
        histograms={name: found.bars() for name, found in sorted(total.histograms.items())},
    )


def _not_kept(manifest: Manifest) -> dict[str, int]:
    return {
        f"{row.stage}/{row.unit}/{reason}": count
        for row in manifest.counts
        for reason, count in {**row.rejected, **row.dead}.items()
    }


def _commonest(statistic: ValueCounts, total: Aggregate) -> dict[str, int]:
    found = total.counts.get(statistic.name)
    return dict(found.most_common(statistic.most)) if found else {}
