"""The order of an epoch: a pure function of (seed, epoch, position), computed block by block.

Two levels. Shards are permuted and cut into blocks of a few shards; inside a block all samples of its shards are
permuted together. Memory is a few numbers per shard and the permutations of a few blocks. A permutation sorts
by a 64-bit mixing function (splitmix64), so it is the same on every machine and with every version of numpy.
"""

from collections import OrderedDict

import numpy as np

_BLOCKS_HELD = 3


def mix(values: np.ndarray, *salt: int) -> np.ndarray:
    """Return a uint64 hash of each value under a salt (splitmix64's finaliser, applied once per salt)."""
    x = values.astype(np.uint64)
    for word in (*salt, 0x5EED):
        x = x + np.uint64((word * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return x


def permutation(count: int, *salt: int) -> np.ndarray:
    """Return a permutation of range(count), int32: a function of the arguments alone."""
    return np.argsort(mix(np.arange(count), *salt), kind="stable").astype(np.int32)


class EpochOrder:
    """One epoch of one dataset: position -> (shard, sample of the shard)."""

    def __init__(self, counts: np.ndarray, *, rng_seed: int, epoch: int, block_shards: int, shuffle: bool) -> None:
        self.salt = (rng_seed & 0xFFFFFFFFFFFFFFFF, epoch)
        self.shuffle = shuffle
        held = np.flatnonzero(counts).astype(np.int32)
        self.shards = held[permutation(len(held), *self.salt, 1)] if shuffle else held
        self.counts = counts
        blocks = -(-len(held) // block_shards)
        self.cuts = np.arange(blocks + 1, dtype=np.int64) * len(held) // max(blocks, 1)
        ends = np.concatenate([[0], np.cumsum(counts[self.shards])])
        self.starts = ends[self.cuts]
        self._blocks: OrderedDict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = OrderedDict()

    def __len__(self) -> int:
        return int(self.starts[-1])

    def locate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the shard and the sample in it of each position of the epoch's global order, ascending."""
        shards, samples = np.empty(len(positions), np.int32), np.empty(len(positions), np.int64)
        which = np.searchsorted(self.starts, positions, side="right") - 1
        for block in np.unique(which):
            here = which == block
            order, members, ends = self._block(int(block))
            inside = order[positions[here] - self.starts[block]]
            slot = np.searchsorted(ends, inside, side="right") - 1
            shards[here], samples[here] = members[slot], inside - ends[slot]
        return shards, samples

    def _block(self, block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a block's permutation, its shards, and where each shard's samples begin in it."""
        if block in self._blocks:
            self._blocks.move_to_end(block)
            return self._blocks[block]
        members = self.shards[self.cuts[block] : self.cuts[block + 1]]
        ends = np.concatenate([[0], np.cumsum(self.counts[members])])
        count = int(ends[-1])
        order = permutation(count, *self.salt, 2, block) if self.shuffle else np.arange(count, dtype=np.int32)
        self._blocks[block] = order, members, ends
        while len(self._blocks) > _BLOCKS_HELD:
            self._blocks.popitem(last=False)
        return self._blocks[block]
