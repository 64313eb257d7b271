"""64-bit hashes of all n-grams of a text, computed in one pass; the repetition filters count them, not strings."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

VERSION = 1
_MULTIPLIER = 0x9E3779B97F4A7C15
_TABLE = 1 << 16


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint64]:
    return np.multiply.accumulate(np.full(_TABLE, _MULTIPLIER, np.uint64))


def _powers(count: int) -> NDArray[np.uint64]:
    """Return the first `count` powers of `_MULTIPLIER` modulo 2^64; it is odd, so none of them is 0."""
    if count <= _TABLE:
        return _table()[:count]
    return np.multiply.accumulate(np.full(count, _MULTIPLIER, np.uint64))


class NgramHashes:
    """Polynomial hashes of the n-grams of a text's units (words or characters), from prefix sums over its characters.

    Equal n-grams have equal hashes; different ones collide with a probability of about 2^-64. `places` [units + 1]:
    the position of the first character of each unit, and the end of the last.
    """

    def __init__(self, text: str, places: NDArray[np.int64]) -> None:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        powers = _powers(len(codes) + 1)
        sums = np.zeros(len(codes) + 1, np.uint64)
        np.cumsum((codes + np.uint64(1)) * powers[:-1], out=sums[1:])
        self._sums, self._shifts = sums[places], powers[len(codes) - places]

    def of(self, size: int) -> NDArray[np.uint64]:
        """Return the hash of each n-gram of `size` units, in the text's order; empty when there are too few."""
        if size >= len(self._sums):
            return self._sums[:0]
        return (self._sums[size:] - self._sums[:-size]) * self._shifts[:-size]


def run_lengths(ordered: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the start and the length of each run of equal values in a sorted array."""
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return starts, np.diff(starts, append=len(ordered))


def most_frequent(hashes: NDArray[np.uint64]) -> tuple[int, int]:
    """Return the index of the first occurrence of the most frequent value (the earliest in a tie), and its count."""
    ordered = np.sort(hashes)
    starts, counts = run_lengths(ordered)
    count = int(counts.max())
    if count == 1:
        return 0, 1
    return int(np.isin(hashes, ordered[starts[counts == count]]).argmax()), count


def has_repeats(hashes: NDArray[np.uint64]) -> bool:
    """Return whether any value occurs twice."""
    ordered = np.sort(hashes)
    return bool((ordered[1:] == ordered[:-1]).any())
