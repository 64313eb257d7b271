"""Fetches blocks of remote tars into the cache before their samples are due."""

import queue
import threading
from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np

LOOK_AHEAD = 8192
"""Positions of the global order that are fetched ahead of the stream's position."""
STEP = 1024
"""Positions that are looked up at once."""
FETCHERS = 8
"""Threads that fetch."""


class Prefetchable(Protocol):
    """A tar whose blocks can be fetched into the cache."""

    @property
    def blocks(self) -> int:
        """Number of blocks; 0 when there is nothing to fetch."""

    def warm(self, number: int) -> None:
        """Fetch a block, unless the cache holds it."""


class NothingToFetch:
    """A tar on this machine."""

    blocks = 0

    def warm(self, number: int) -> None:
        """Do nothing."""


ShardId: TypeAlias = tuple[int, int]
"""Data set and shard, as numbers."""


class Prefetcher:
    """Follows a stream's position; daemon threads open the shards that come next and fetch their blocks.

    `shards_of(positions)` names the shards of running positions; `open_shard(shard)` opens one. Ranks of a host share a
    cache, so each begins at a different block of a shard: at block `share` * blocks, with `share` from 0 to 1. Errors
    are ignored here, since reading the sample repeats and reports them.
    """

    def __init__(
        self,
        shards_of: Callable[[np.ndarray], list[ShardId]],
        open_shard: Callable[[ShardId], Prefetchable],
        share: float,
    ) -> None:
        self._shards_of, self._open_shard, self._share = shards_of, open_shard, share
        self._queue: queue.SimpleQueue[ShardId | None] = queue.SimpleQueue()
        self._queued: set[ShardId] = set()
        self._lock = threading.Lock()
        self._seen = -1
        self._started = self._closed = False

    def move(self, running: int) -> None:
        """Tell the threads the stream's running position; the first call starts them."""
        if not self._started:
            self._started = True
            for number in range(FETCHERS):
                threading.Thread(target=self._work, name=f"prefetch-{number}", daemon=True).start()
        if not running <= self._seen <= running + LOOK_AHEAD + STEP:
            self._seen = running  # the first call, or a state was loaded
        while self._seen < running + LOOK_AHEAD:
            for shard in self._shards_of(np.arange(self._seen, self._seen + STEP)):
                with self._lock:
                    new = shard not in self._queued
                    self._queued.add(shard)
                if new:
                    self._queue.put(shard)
            self._seen += STEP

    def _work(self) -> None:
        while (shard := self._queue.get()) is not None and not self._closed:
            try:
                tar = self._open_shard(shard)
                first = int(tar.blocks * self._share)
                for number in range(tar.blocks):
                    if self._closed:
                        return
                    tar.warm((first + number) % tar.blocks)
            except Exception:  # noqa: S110 - the read of a sample meets it again and reports it
                pass
            finally:
                with self._lock:
                    self._queued.discard(shard)

    def close(self) -> None:
        """End the threads after the block that each is fetching now; queued shards are dropped."""
        self._closed = True
        for _ in range(FETCHERS):
            self._queue.put(None)
