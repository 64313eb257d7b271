"""One data set of a stream: its index, the orders of its current epochs, its loaded sidecars."""

import threading
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np

from corpusloom.trainers.stream.order.epoch_order import EpochOrder
from corpusloom.trainers.stream.reading.index import DatasetIndex, ShardIndex, read_shard


class Place(NamedTuple):
    """Where one running position's sample lies: data set, its epoch, shard and row."""

    position: int
    dataset: int
    epoch: int
    shard: int
    row: int


class Source:
    """One data set of a stream: its index, the orders of its current epochs and its loaded sidecars."""

    def __init__(self, name: str, index: DatasetIndex, *, rng_seed: int, block_shards: int, shuffle: bool) -> None:
        self.name, self.index, self.samples = name, index, index.samples
        self._order: dict[str, Any] = {"rng_seed": rng_seed, "block_shards": block_shards, "shuffle": shuffle}
        self._epochs: OrderedDict[int, EpochOrder] = OrderedDict()
        self._shards: OrderedDict[int, ShardIndex] = OrderedDict()
        self._held = 2 * block_shards + 2
        self._lock = threading.Lock()

    def renew(self) -> None:
        """Have a lock of this process, which may be a fork: the old one may be held for ever."""
        self._lock = threading.Lock()

    def locate(self, epoch: int, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (shards, samples of the shard) of positions of an epoch."""
        if epoch not in self._epochs:
            self._epochs[epoch] = EpochOrder(self.index.counts, epoch=epoch, **self._order)
            while len(self._epochs) > 2:
                self._epochs.popitem(last=False)
        return self._epochs[epoch].locate(positions)

    def shard(self, number: int, *, verify: bool) -> ShardIndex:
        """Return a shard's index."""
        held = self._shards.get(number)
        if held is not None:
            return held
        loaded = read_shard(self.index.path, self.index.shards[number], hashes=verify, split=self.index.split)
        with self._lock:
            self._shards[number] = loaded
            while len(self._shards) > self._held:
                self._shards.popitem(last=False)
        return loaded
