"""Mixtures of data sets: computes in closed form which data set each position is drawn from.

Weights are shares of samples, in ten-thousandths. A period of 10,000 positions holds exactly each data set's share,
placed by Tijdeman's rule (Discrete Mathematics 32, 1980), so that after any number of draws each data set is less
than one sample away from its share. The epochs of a data set follow from its own draws: each epoch has every sample
once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor

import numpy as np

from corpusloom.schemas.errors import ConfigError

PERIOD = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Data sets by name, and the share of the samples that comes from each."""

    datasets: Mapping[str, str]
    """Name -> path or URL of a dataset folder."""
    weights: Mapping[str, float]
    """Name -> share; the shares need not sum to 1."""
    schedule: tuple[tuple[int, Mapping[str, float]], ...] = ()
    """(global position, weights from there on), in ascending order of positions."""
    exhaustion: str = "all"
    """End of the mixture's epoch: when `all` data sets have been drawn whole, or the `first` of them."""

    def __post_init__(self) -> None:
        if not self.datasets:
            raise ConfigError("a mixture without data sets", remedy="name at least one")
        if self.exhaustion not in ("all", "first"):
            raise ConfigError(f"exhaustion is {self.exhaustion!r}", remedy="use all or first")
        starts = [start for start, _ in self.schedule]
        if starts != sorted(set(starts)) or any(start < 1 for start in starts):
            raise ConfigError("the mixture's schedule is not in ascending order of positions")
        for weights in (self.weights, *(weights for _, weights in self.schedule)):
            if set(weights) != set(self.datasets) or any(not 0 <= w < float("inf") for w in weights.values()):
                raise ConfigError("each data set needs one weight of 0 or more", where=str(dict(weights)))
            if not sum(weights.values()) > 0:
                raise ConfigError("all weights are zero", where=str(dict(weights)))


def shares(weights: np.ndarray) -> np.ndarray:
    """Return integer shares that sum to PERIOD, by largest remainder; a positive weight gets at least 1."""
    exact = weights / weights.sum() * PERIOD
    whole = np.floor(exact).astype(np.int64)
    whole[(whole == 0) & (weights > 0)] = 1
    remainder = np.where(weights > 0, exact - whole, -np.inf)
    while (missing := PERIOD - int(whole.sum())) != 0:
        at = int(np.argmax(remainder)) if missing > 0 else int(np.argmax(np.where(whole > 1, whole - exact, -np.inf)))
        whole[at] += np.sign(missing)
        remainder[at] = exact[at] - whole[at]
    return whole


class Pattern:
    """One period of draws at fixed shares: slot i draws data set `which[i]`, for the `rank[i]`-th time from 0."""

    def __init__(self, weights: np.ndarray) -> None:
        self.shares = shares(weights)
        self.which = _tijdeman(self.shares.tolist())
        self.counts = np.zeros((PERIOD + 1, len(weights)), dtype=np.int32)
        np.cumsum(np.eye(len(weights), dtype=np.int32)[self.which], axis=0, out=self.counts[1:])
        self.rank = self.counts[np.arange(PERIOD), self.which]

    def draws(self, position: int) -> np.ndarray:
        """Return each data set's draws in the first `position` positions."""
        periods, rest = divmod(position, PERIOD)
        return periods * self.shares + self.counts[rest]


def _tijdeman(share: list[int]) -> np.ndarray:
    """Return the data set of each slot: of those whose next draw is due, the one with the earliest deadline."""
    parts = sum(1 for value in share if value)
    slack = 1 - 1 / (2 * parts - 2) if parts > 1 else 1.0
    counts = [0] * len(share)
    which = np.empty(PERIOD, dtype=np.int16)
    for slot in range(PERIOD):
        best, deadline = -1, float("inf")
        for at, value in enumerate(share):
            if not value or value * (slot + 1) / PERIOD - counts[at] < 1 - slack - 1e-12:
                continue
            due = floor((slack + counts[at]) * PERIOD / value)
            if due < deadline:
                best, deadline = at, due
        if best < 0:
            best = max(range(len(share)), key=lambda at: share[at] * (slot + 1) / PERIOD - counts[at])
        counts[best] += 1
        which[slot] = best
    return which


class Mixing:
    """The order of draws: running position -> (data set, its own draw), with the schedule of weights."""

    def __init__(self, names: tuple[str, ...], mixture: Mixture) -> None:
        segments = [(0, mixture.weights), *mixture.schedule]
        self._starts = np.asarray([start for start, _ in segments], dtype=np.int64)
        self._patterns = [Pattern(np.asarray([w[name] for name in names], dtype=float)) for _, w in segments]
        self._bases = [np.zeros(len(names), dtype=np.int64)]
        for at in range(1, len(segments)):
            length = int(self._starts[at] - self._starts[at - 1])
            self._bases.append(self._bases[-1] + self._patterns[at - 1].draws(length))

    def draws(self, position: int) -> np.ndarray:
        """Return how often each data set was drawn before a running position."""
        at = int(np.searchsorted(self._starts, position, side="right")) - 1
        return self._bases[at] + self._patterns[at].draws(position - int(self._starts[at]))

    def locate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the data set of each running position, and the number of that data set's earlier draws."""
        which = np.empty(len(positions), dtype=np.int64)
        draw = np.empty(len(positions), dtype=np.int64)
        segment = np.searchsorted(self._starts, positions, side="right") - 1
        for at in np.unique(segment):
            here = segment == at
            pattern = self._patterns[at]
            periods, slots = np.divmod(positions[here] - self._starts[at], PERIOD)
            names = pattern.which[slots].astype(np.int64)
            which[here] = names
            draw[here] = self._bases[at][names] + periods * pattern.shares[names] + pattern.rank[slots]
        return which, draw

    def epoch_length(self, sizes: np.ndarray, exhaustion: str) -> int:
        """Return the length of an epoch in positions: until all data sets, or the first, have been drawn whole.

        Data sets that are never drawn whole under the weights and their schedule do not count; without any other it
        is a ConfigError.
        """
        lengths = [self._first_at(at, int(size)) for at, size in enumerate(sizes)]
        whole = [length for length in lengths if length is not None]
        if not whole:
            raise ConfigError("no data set is ever drawn whole", remedy="keep one weight positive to the end")
        return max(whole) if exhaustion == "all" else min(whole)

    def _first_at(self, dataset: int, draws: int) -> int | None:
        """Return the number of positions until a data set has been drawn `draws` times; None if that never happens."""
        for at, pattern in enumerate(self._patterns):
            missing = draws - int(self._bases[at][dataset])
            last = at + 1 == len(self._patterns)
            if not last and int(self._bases[at + 1][dataset]) < draws:
                continue
            if not pattern.shares[dataset]:
                return None
            periods, rest = divmod(missing, int(pattern.shares[dataset]))
            if not rest:
                periods, rest = periods - 1, int(pattern.shares[dataset])
            slot = int(np.searchsorted(pattern.counts[:, dataset], rest))
            return int(self._starts[at]) + periods * PERIOD + slot
        return None


def at_steps(
    changes: Mapping[int, Mapping[str, float]], global_batch: int
) -> tuple[tuple[int, Mapping[str, float]], ...]:
    """Return a `Mixture.schedule` from step -> weights, with `global_batch` samples per step over all ranks."""
    return tuple((step * global_batch, changes[step]) for step in sorted(changes))
