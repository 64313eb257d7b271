"""Means over seeds and trials with their intervals, and what a difference shows.

Shapes: S seeds, N trials (pictures, or pages of pictures).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000
"""Bootstrap draws of an interval."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds and trials with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """Return 1 or -1 if the interval leaves out 0, above or below it; else 0."""
        return int(self.low > 0) - int(self.high < 0)

    def text(self, *, signed: bool = False) -> str:
        """Return per cent, as in 12.3 (11.0 to 13.5)."""
        sign = "+" if signed else ""
        return f"{100 * self.value:{sign}.1f} ({100 * self.low:{sign}.1f} to {100 * self.high:{sign}.1f})"


def estimate(values: np.ndarray) -> Estimate:
    """Return the mean of (S, N) values with the interval of a bootstrap over seeds and trials."""
    rng = np.random.default_rng(0)
    seeds, trials = values.shape
    means = [
        values[np.ix_(rng.integers(seeds, size=seeds), rng.integers(trials, size=trials))].mean() for _ in range(DRAWS)
    ]
    low, high = np.quantile(means, (0.025, 0.975))
    return Estimate(float(values.mean()), float(low), float(high))


def markdown_table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as a table in Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (names, ["---"] * len(names), *rows))
