"""Beam metrics of every outcome and of how long work takes: the same names on every runner (docs/operations.md).

What a run counts is what it did: a stage or shard that was finished before is not done again and not counted again.
The ledger is the proof; these are for the eyes of whoever watches a runner's console.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from corpusloom.schemas.records import StageCounts

KEPT, REJECTED, DEAD = "kept", "rejected", "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long pieces of work of one kind took, in milliseconds."""

    count: int
    total: int
    least: int
    most: int


@dataclass(slots=True)
class Measures:
    """What a pipeline measured, by `STAGE/UNIT/OUTCOME` and `STAGE/WORK/ms`."""

    counters: dict[str, int] = field(default_factory=dict)
    latencies: dict[str, Latency] = field(default_factory=dict)

    def add(self, other: "Measures") -> None:
        """Take in what another pipeline of the same build measured."""
        for name, value in other.counters.items():
            self.counters[name] = self.counters.get(name, 0) + value
        for name, more in other.latencies.items():
            known = self.latencies.get(name)
            self.latencies[name] = more if known is None else _joined(known, more)


def _joined(a: Latency, b: Latency) -> Latency:
    return Latency(
        count=a.count + b.count, total=a.total + b.total, least=min(a.least, b.least), most=max(a.most, b.most)
    )


def name_of(unit: str, outcome: str, reason: str | None) -> str:
    """Return the name, below its stage, of the counter of records that ended alike."""
    return f"{unit}/{outcome}" if outcome == KEPT else f"{unit}/{outcome}/{reason}"


def names_of(row: StageCounts) -> Iterator[tuple[str, int]]:
    """Yield the name below its stage, and the value, of each counter of a row of counts."""
    yield f"{row.unit}/{KEPT}", row.kept
    yield from ((f"{row.unit}/{REJECTED}/{reason}", number) for reason, number in row.rejected.items())
    yield from ((f"{row.unit}/{DEAD}/{error}", number) for error, number in row.dead.items())


def counted(rows: Iterable[StageCounts]) -> dict[str, int]:
    """Return rows of counts as the counters that say the same, without zeros."""
    return {f"{row.stage}/{name}": number for row in rows for name, number in names_of(row) if number}


def count(rows: Iterable[StageCounts]) -> None:
    """Add rows of counts to the counters of the running step."""
    from apache_beam.metrics import Metrics

    for row in rows:
        for name, number in names_of(row):
            if number:
                Metrics.counter(row.stage, name).inc(number)


def ended(stage: str, unit: str, outcome: str, reason: str | None, number: int = 1) -> None:
    """Add records that ended alike to the counters of the running step."""
    from apache_beam.metrics import Metrics

    Metrics.counter(stage, name_of(unit, outcome, reason)).inc(number)


def took(stage: str, work: str, seconds: float) -> None:
    """Enter how long a piece of work took into the distribution `WORK/ms` of the running step."""
    from apache_beam.metrics import Metrics

    Metrics.distribution(stage, f"{work}/ms").update(round(seconds * 1000))


@contextlib.contextmanager
def timed(stage: str, work: str) -> Iterator[None]:
    """Enter how long the block took, unless it fails."""
    start = time.monotonic()
    yield
    took(stage, work, time.monotonic() - start)


def read(result: Any) -> Measures:
    """Return what a finished pipeline measured; nothing where its runner does not tell."""
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
