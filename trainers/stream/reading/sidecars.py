"""Cache in memory of one data set's sidecars; the least recently loaded one is dropped first."""

import threading
from collections import OrderedDict

from corpusloom.trainers.stream.reading.index import DatasetIndex, ShardIndex, read_shard


class Sidecars:
    """Loads the sidecars of one data set and holds the last `held` of them; safe for threads."""

    def __init__(self, index: DatasetIndex, held: int, *, hashes: bool) -> None:
        self._index, self._held, self._hashes = index, held, hashes
        self._shards: OrderedDict[int, ShardIndex] = OrderedDict()
        self._lock = threading.Lock()

    def renew_lock(self) -> None:
        """Make a new lock after a fork: the old one may have been held by a thread that does not exist here."""
        self._lock = threading.Lock()

    def shard(self, number: int) -> ShardIndex:
        """Return the sidecar of a shard."""
        held = self._shards.get(number)
        if held is not None:
            return held
        index = self._index
        loaded = read_shard(
            index.path, index.shards[number], hashes=self._hashes, split=index.split, scored=index.scored
        )
        with self._lock:
            self._shards[number] = loaded
            while len(self._shards) > self._held:
                self._shards.popitem(last=False)
        return loaded
