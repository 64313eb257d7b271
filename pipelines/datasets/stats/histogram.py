"""Histogram of numbers, addable over row groups: exact for whole numbers, with quantiles exact to 1 % for others."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

GROWTH = 1.02
"""Ratio of neighbouring bin edges: a quantile read from a bin's middle is off by at most half a bin, 1 %."""
SMALLEST = 1e-6
"""Lower edge of the second bin; the first bin holds zero and negative values."""
BARS = 24
BINS = 2_600
"""Number of bins; values beyond the last edge (about 2e16) are counted in the last bin."""
MOST_EXACT = 1 << 20
"""Distinct whole numbers that are counted one by one, at most; beyond that the bins alone are kept."""
WIDE = 20.0
"""Ratio of the largest value to the median from which bars are of equal width on a logarithmic axis."""

Bar: TypeAlias = tuple[float, float, int]
"""Lower edge, upper edge, number of values."""


def _no_values() -> NDArray[np.float64]:
    return np.zeros(0)


@dataclass
class Histogram:
    """The distribution of some values: number, sum, extremes, and numbers per value or per bin."""

    count: int = 0
    total: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    whole: NDArray[np.float64] | None = field(default_factory=_no_values)
    """Distinct values, ascending; None if one of them is no whole number."""
    times: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Number of occurrences of each value in `whole`."""

    @classmethod
    def of(cls, values: np.ndarray) -> "Histogram":
        """Return the distribution of the finite values of an array."""
        values = values[np.isfinite(values)].astype(np.float64)
        if not len(values):
            return cls()
        bins = np.bincount(_bin_of(values), minlength=BINS).astype(np.int64)
        numbers = (len(values), float(values.sum()), float(values.min()), float(values.max()), bins)
        if np.any(values != np.floor(values)):
            return cls(*numbers, whole=None)
        return cls(*numbers, *_counted(values, np.ones(len(values), np.int64)))

    def __add__(self, other: "Histogram") -> "Histogram":
        whole, times = None, self.times
        if self.whole is not None and other.whole is not None:
            values = np.concatenate([self.whole, other.whole])
            whole, times = _counted(values, np.concatenate([self.times, other.times]))
        return Histogram(
            count=self.count + other.count,
            total=self.total + other.total,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            bins=self.bins + other.bins,
            whole=whole,
            times=times,
        )

    def quantile(self, share: float) -> float:
        """Return the least value that `share` of the values do not exceed: exact for whole numbers, else to 1 %."""
        if self.whole is not None:
            place = int(np.searchsorted(np.cumsum(self.times), share * self.count))
            return float(self.whole[min(place, len(self.whole) - 1)])
        place = int(np.searchsorted(np.cumsum(self.bins), share * self.count))
        middle = _lower_edge(place) * GROWTH**0.5
        return float(min(max(middle, self.low), self.high))

    def summary(self) -> dict[str, float]:
        """Return min, p05, p50, p95, max and mean; nothing for a distribution without values."""
        if not self.count:
            return {}
        return {
            "min": self.low,
            "p05": self.quantile(0.05),
            "p50": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "max": self.high,
            "mean": self.total / self.count,
        }

    def bars(self) -> tuple[Bar, ...]:
        """Return at most BARS bars of equal width, or for a wide range of equal width on a logarithmic axis.

        Zeros, which a logarithmic axis has no place for, are then a bar of their own that begins at 0.
        """
        if not self.count:
            return ()
        if self.low == self.high:
            return ((self.low, self.high, self.count),)
        edges = self._edges()
        counts = np.diff(self._below(edges))
        return tuple((float(a), float(b), int(n)) for (a, b), n in zip(pairwise(edges), counts, strict=True))

    def _edges(self) -> NDArray[np.float64]:
        """Return the edges of the bars; those of whole numbers are whole, so that no bar lacks a number."""
        end = self.high + 1 if self.whole is not None else self.high
        if self.low < 0 or self.high <= WIDE * self.quantile(0.5):
            if self.whole is None:
                return np.linspace(self.low, self.high, BARS + 1)
            step = np.ceil((end - self.low) / BARS)
            return np.arange(self.low, end + step, step)[: int(np.ceil((end - self.low) / step)) + 1]
        least = self.low if self.low > 0 else self._least_positive()
        edges = np.geomspace(least, end, BARS + 1)
        edges = np.unique(np.round(edges)) if self.whole is not None else edges
        return edges if self.low > 0 else np.concatenate([[0.0], edges])

    def _least_positive(self) -> float:
        if self.whole is not None:
            return float(self.whole[self.whole > 0][0])
        return _lower_edge(int(np.flatnonzero(self.bins[1:])[0]) + 1)

    def _below(self, edges: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the number of values below each edge; the last edge is above all values.

        The values of a bin are spread evenly over it, so that bars do not alternate with the number of bins in them.
        """
        if self.whole is not None:
            sums = np.concatenate([[0], np.cumsum(self.times)])
            return np.asarray(sums[np.searchsorted(self.whole, edges)], np.int64)
        filled = np.flatnonzero(self.bins)
        starts = np.maximum([_lower_edge(int(place)) for place in filled], self.low)
        ends = np.minimum([_lower_edge(int(place) + 1) for place in filled], self.high)
        starts[0] = self.low
        sums = np.concatenate([[0], np.cumsum(self.bins[filled])])
        places = np.stack([starts, ends], axis=1).ravel()
        below = np.interp(edges, places, np.stack([sums[:-1], sums[1:]], axis=1).ravel())
        below[0], below[-1] = 0, self.count
        return np.round(below).astype(np.int64)


def _counted(
    values: NDArray[np.float64], times: NDArray[np.int64]
) -> tuple[NDArray[np.float64] | None, NDArray[np.int64]]:
    """Return the distinct values with the sum of their times; (None, ...) if there are too many of them."""
    distinct, places = np.unique(values, return_inverse=True)
    if len(distinct) > MOST_EXACT:
        return None, np.zeros(0, np.int64)
    return distinct, np.bincount(places, weights=times, minlength=len(distinct)).astype(np.int64)


def _bin_of(values: np.ndarray) -> np.ndarray:
    safe = np.maximum(values, SMALLEST)
    place = np.log(safe / SMALLEST) / np.log(GROWTH) + 1
    return np.where(values <= 0, 0, np.clip(place, 1, BINS - 1)).astype(np.int64)


def _lower_edge(place: int) -> float:
    return 0.0 if place <= 0 else float(SMALLEST * GROWTH ** (place - 1))
