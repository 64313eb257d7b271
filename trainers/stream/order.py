"""The order of samples as a pure function of (seed, epoch, position): nothing is shuffled, nothing is held.

Two levels. Blocks of neighbouring samples are permuted over the dataset; then positions are permuted inside windows
of many blocks. Reads stay near each other (a block is one range), neighbours in training do not.
"""

from dataclasses import dataclass

import numpy as np

_ROUNDS = 4
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def mix(values: np.ndarray) -> np.ndarray:
    """Return a well-spread 64-bit hash of each value (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * _MIX[0]
        values = (values ^ (values >> np.uint64(27))) * _MIX[1]
        return np.asarray(values ^ (values >> np.uint64(31)), dtype=np.uint64)


def seed_of(*parts: int) -> int:
    """Return one 64-bit seed of several numbers."""
    state = np.uint64(0)
    for part in parts:
        state = mix(np.array([state ^ np.uint64(part & 0xFFFFFFFFFFFFFFFF)], dtype=np.uint64))[0]
    return int(state)


def permute(values: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return where a seeded permutation of range(size) sends each value: a Feistel network, walked until inside."""
    if size <= 1:
        return np.zeros_like(values)
    half = max((int(size - 1).bit_length() + 1) // 2, 1)
    result = np.asarray(values, dtype=np.uint64)
    outside = np.ones(result.shape, bool)
    while outside.any():
        result = np.where(outside, _feistel(result, half, seed), result)
        outside = result >= size
    return result.astype(np.int64)


def _feistel(values: np.ndarray, half: int, seed: int) -> np.ndarray:
    mask = np.uint64((1 << half) - 1)
    left, right = values >> np.uint64(half), values & mask
    for number in range(_ROUNDS):
        key = np.uint64(seed_of(seed, number))
        left, right = right, left ^ (mix(right ^ key) & mask)
    return (left << np.uint64(half)) | right


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a dataset of `size` samples."""

    size: int
    rng_seed: int
    block: int = 16
    """Neighbouring samples that stay one range of the shard; 1 permutes freely."""
    window: int = 16_384
    """Positions inside which samples are permuted."""

    def samples(self, epoch: int, positions: np.ndarray) -> np.ndarray:
        """Return the sample's number at each position of an epoch; every sample stands at exactly one."""
        inside = self._inside_window(epoch, np.asarray(positions, dtype=np.int64))
        full = self.size // self.block
        block, rest = inside // self.block, inside % self.block
        moved = permute(np.minimum(block, max(full - 1, 0)), full, seed_of(self.rng_seed, epoch, 1))
        return np.where(block < full, moved * self.block + rest, inside)

    def _inside_window(self, epoch: int, positions: np.ndarray) -> np.ndarray:
        result = np.empty_like(positions)
        number = positions // self.window
        for window in np.unique(number):
            start = int(window) * self.window
            size = min(self.window, self.size - start)
            chosen = number == window
            seed = seed_of(self.rng_seed, epoch, 2, int(window))
            result[chosen] = start + permute(positions[chosen] - start, size, seed)
        return result
