"""Histogram with logarithmic bins: addable over row groups, with quantiles exact to 1 %."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

GROWTH = 1.02
"""Ratio of neighbouring bin edges: a quantile read from a bin's middle is off by at most half a bin, 1 %."""
SMALLEST = 1e-6
"""Lower edge of the second bin; the first bin holds zero and negative values."""
BARS = 24
BINS = 2_600
"""Number of bins; values beyond the last edge (about 2e16) are counted in the last bin."""


@dataclass
class LogHistogram:
    """The distribution of some values: number, sum, extremes, and number per bin."""

    count: int = 0
    total: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    bins: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))

    @classmethod
    def of(cls, values: np.ndarray) -> "LogHistogram":
        """Return the distribution of the finite values of an array."""
        values = values[np.isfinite(values)]
        if not len(values):
            return cls()
        bins = np.bincount(_bin_of(values), minlength=BINS).astype(np.int64)
        return cls(len(values), float(values.sum()), float(values.min()), float(values.max()), bins)

    def __add__(self, other: "LogHistogram") -> "LogHistogram":
        return LogHistogram(
            count=self.count + other.count,
            total=self.total + other.total,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            bins=self.bins + other.bins,
        )

    def quantile(self, share: float) -> float:
        """Return the value below which `share` of the values lie, exact to 1 %."""
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

    def bars(self) -> tuple[tuple[float, float, int], ...]:
        """Return at most BARS bars (low, high, count), of equal width on a logarithmic axis."""
        filled = np.flatnonzero(self.bins)
        if not len(filled):
            return ()
        first, last = int(filled[0]), int(filled[-1]) + 1
        edges = np.unique(np.linspace(first, last, BARS + 1).round().astype(int))
        return tuple((_lower_edge(int(a)), _lower_edge(int(b)), int(self.bins[a:b].sum())) for a, b in pairwise(edges))


def _bin_of(values: np.ndarray) -> np.ndarray:
    safe = np.maximum(values, SMALLEST)
    place = np.log(safe / SMALLEST) / np.log(GROWTH) + 1
    return np.where(values <= 0, 0, np.clip(place, 1, BINS - 1)).astype(np.int64)


def _lower_edge(place: int) -> float:
    return 0.0 if place <= 0 else float(SMALLEST * GROWTH ** (place - 1))
