"""Aggregates of a dataset's statistics: computed per row group of the sidecars, and addable."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from corpusloom.pipelines.datasets.stats.histogram import Histogram
from corpusloom.pipelines.datasets.stats.statistics import (
    STATISTICS,
    Distribution,
    Total,
    ValueCounts,
    score_histograms,
)
from corpusloom.schemas import tables


class _Addable(Protocol):
    def __add__(self, other: Any, /) -> Any: ...


Value = TypeVar("Value", bound=_Addable)


@dataclass(frozen=True)
class Aggregate:
    """Statistics of some samples, keyed by the statistic's name."""

    samples: int = 0
    totals: Mapping[str, int | None] = field(default_factory=dict)
    """Name -> sum; None if no sample has a value."""
    counts: Mapping[str, Counter[str]] = field(default_factory=dict)
    histograms: Mapping[str, Histogram] = field(default_factory=dict)

    def __add__(self, other: "Aggregate") -> "Aggregate":
        return Aggregate(
            samples=self.samples + other.samples,
            totals=_add_known(self.totals, other.totals),
            counts=_add_by_name(self.counts, other.counts),
            histograms=_add_by_name(self.histograms, other.histograms),
        )


def _add_by_name(a: Mapping[str, Value], b: Mapping[str, Value]) -> dict[str, Value]:
    return {**a, **{name: a[name] + value if name in a else value for name, value in b.items()}}


def _add_known(a: Mapping[str, int | None], b: Mapping[str, int | None]) -> dict[str, int | None]:
    """Add sums, of which some are not known: a sum is unknown only if both of its parts are."""
    known = _add_by_name(*({name: value for name, value in part.items() if value is not None} for part in (a, b)))
    return {name: known.get(name) for name in {**a, **b}}


def of_row_group(path: str, group: int) -> Aggregate:
    """Return the statistics of one row group of a sidecar."""
    columns = {"scores"}.union(*(statistic.columns for statistic in STATISTICS))
    with tables.open_parquet(path) as file:
        return of_rows(file.read_row_group(group, columns=sorted(columns)))


def of_rows(table: pa.Table) -> Aggregate:
    """Return the statistics of some rows of a sidecar."""
    totals: dict[str, int | None] = {}
    counts: dict[str, Counter[str]] = {}
    histograms: dict[str, Histogram] = {}
    for statistic in STATISTICS:
        match statistic:
            case Total():
                totals[statistic.name] = statistic.add(table)
            case ValueCounts():
                counts[statistic.name] = statistic.count(table)
            case Distribution():
                histograms[statistic.name] = Histogram.of(statistic.values(table))
    histograms |= score_histograms(table)
    return Aggregate(samples=table.num_rows, totals=totals, counts=counts, histograms=histograms)
