"""A set of keys at 8 bytes per key: digests in a few sorted runs."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np


class KeyDigests:
    """64-bit digests of keys. Among 100 million keys, two share a digest with a probability of 1 in 3,700."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    @property
    def nbytes(self) -> int:
        """Bytes of the runs; a merge needs the same amount again while it runs."""
        return sum(run.nbytes for run in self._runs)

    def add(self, keys: Sequence[str]) -> list[str]:
        """Add keys; return those that may have been added before, or that occur twice among these."""
        if not keys:
            return []
        raw = b"".join(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest() for key in keys)
        digests = np.frombuffer(raw, "<u8")
        new, counts = np.unique(digests, return_counts=True)
        known = np.zeros(len(new), dtype=bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, new), len(run) - 1)
            known |= run[places] == new
        again = np.isin(digests, new[known | (counts > 1)])
        if not known.all():
            self._merge(new[~known])
        return [keys[at] for at in np.flatnonzero(again).tolist()]

    def _merge(self, run: np.ndarray) -> None:
        """Add a run, merged with the runs less than twice as long, so that their number stays logarithmic."""
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = np.union1d(self._runs.pop(), run)
        self._runs.append(run)
