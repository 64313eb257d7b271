"""Beam metrics of outcomes and latencies, under the same names on every runner (docs/operations.md).

A run counts only its own work: a stage or shard that an earlier run finished is not counted again. Metrics are for
watching a runner's console; the exact counts are in the ledger.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from corpusloom.schemas.records import StageCounts

if TYPE_CHECKING:
    from apache_beam.runners.runner import PipelineResult

KEPT, REJECTED, DEAD = "kept", "rejected", "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Latency of one kind of work, in milliseconds."""

    count: int
    total: int
    least: int
    most: int


@dataclass(slots=True)
class Measures:
    """Metrics of a pipeline: counters by `STAGE/UNIT/OUTCOME`, latencies by `STAGE/WORK/ms`."""

    counters: dict[str, int] = field(default_factory=dict)
    latencies: dict[str, Latency] = field(default_factory=dict)

    def add(self, other: "Measures") -> None:
        """Add the metrics of another pipeline of the same build."""
        for name, value in other.counters.items():
            self.counters[name] = self.counters.get(name, 0) + value
        for name, more in other.latencies.items():
            known = self.latencies.get(name)
            self.latencies[name] = more if known is None else _joined(known, more)


def _joined(a: Latency, b: Latency) -> Latency:
    return Latency(
        count=a.count + b.count, total=a.total + b.total, least=min(a.least, b.least), most=max(a.most, b.most)
    )


def counter_name(unit: str, outcome: str, reason: str | None) -> str:
    """Return the name, below its stage, of the counter of one outcome."""
    return f"{unit}/{outcome}" if outcome == KEPT else f"{unit}/{outcome}/{reason}"


def counters_of_row(row: StageCounts) -> Iterator[tuple[str, int]]:
    """Yield (name below its stage, value) for each counter of a row of counts."""
    yield f"{row.unit}/{KEPT}", row.kept
    yield from ((f"{row.unit}/{REJECTED}/{reason}", number) for reason, number in row.rejected.items())
    yield from ((f"{row.unit}/{DEAD}/{error}", number) for error, number in row.dead.items())


def counters_of(rows: Iterable[StageCounts]) -> dict[str, int]:
    """Return rows of counts as counters, without zeros."""
    return {f"{row.stage}/{name}": number for row in rows for name, number in counters_of_row(row) if number}


def add_counts(rows: Iterable[StageCounts]) -> None:
    """Add rows of counts to the counters of the running step."""
    from apache_beam.metrics import Metrics

    for row in rows:
        for name, number in counters_of_row(row):
            if number:
                Metrics.counter(row.stage, name).inc(number)


def count_outcome(stage: str, unit: str, outcome: str, reason: str | None, number: int = 1) -> None:
    """Add records of one outcome to the counters of the running step."""
    from apache_beam.metrics import Metrics

    Metrics.counter(stage, counter_name(unit, outcome, reason)).inc(number)


def record_latency(stage: str, work: str, seconds: float) -> None:
    """Add a latency to the distribution `WORK/ms` of the running step."""
    from apache_beam.metrics import Metrics

    Metrics.distribution(stage, f"{work}/ms").update(round(seconds * 1000))


@contextlib.contextmanager
def timed(stage: str, work: str) -> Iterator[None]:
    """Record the latency of the block; a block that raises is not recorded."""
    start = time.monotonic()
    yield
    record_latency(stage, work, time.monotonic() - start)


def read_measures(result: "PipelineResult") -> Measures:
    """Return the metrics of a finished pipeline; none if its runner has no metrics."""
    try:
        found = result.metrics().query()
    except (NotImplementedError, AttributeError):
        return Measures()
    made = Measures()
    for row in found["counters"]:
        name = f"{row.key.metric.namespace}/{row.key.metric.name}"
        made.counters[name] = made.counters.get(name, 0) + int(row.result)
    for row in found["distributions"]:
        name, value = f"{row.key.metric.namespace}/{row.key.metric.name}", row.result
        latency = Latency(count=value.count, total=value.sum, least=value.min, most=value.max)
        made.add(Measures(latencies={name: latency}))
    return made
