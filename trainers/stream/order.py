"""The order of samples as a pure function of (seed, epoch, position): nothing is shuffled, nothing is held.

Two levels. Blocks of neighbouring samples are permuted over the dataset; then positions are permuted inside windows
of many blocks. Reads stay near each other (a block is one range), neighbours in training do not.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

_ROUNDS = 4
_LOW_64 = (1 << 64) - 1
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def mix(values: np.ndarray) -> np.ndarray:
    """Return a well-spread 64-bit hash of each value (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * _MIX[0]
        values = (values ^ (values >> np.uint64(27))) * _MIX[1]
        return np.asarray(values ^ (values >> np.uint64(31)), dtype=np.uint64)


def seed_of(*parts: int) -> int:
    """Return one 64-bit seed of several numbers: `mix` folded over them, in Python's own integers, for speed."""
    state = 0
    for part in parts:
        state = ((state ^ part) + 0x9E3779B97F4A7C15) & _LOW_64
        state = (state ^ state >> 30) * int(_MIX[0]) & _LOW_64
        state = (state ^ state >> 27) * int(_MIX[1]) & _LOW_64
        state ^= state >> 31
    return state


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
        places = np.asarray(positions, dtype=np.int64)
        number = places // self.window
        result = np.empty_like(places)
        for window in np.unique(number):
            chosen = number == window
            result[chosen] = _window(self, epoch, int(window))[places[chosen] - int(window) * self.window]
        return result

    def sample(self, epoch: int, position: int) -> int:
        """Return the sample's number at one position."""
        number, place = divmod(position, self.window)
        return int(_window(self, epoch, number)[place])


@lru_cache(maxsize=16)
def _window(order: Order, epoch: int, number: int) -> np.ndarray:
    """Return the samples of one window in order: computed whole, since neighbours in training ask one by one."""
    start = number * order.window
    size = min(order.window, order.size - start)
    inside = start + permute(np.arange(size), size, seed_of(order.rng_seed, epoch, 2, number))
    full = order.size // order.block
    block, rest = inside // order.block, inside % order.block
    moved = permute(np.minimum(block, max(full - 1, 0)), full, seed_of(order.rng_seed, epoch, 1))
    return np.where(block < full, moved * order.block + rest, inside)
