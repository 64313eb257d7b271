"""Blocks of remote tars, fetched into the cache before their samples are due."""

import queue
import threading
from collections.abc import Callable
from typing import Protocol

import numpy as np

LOOK = 8192
"""Positions of the global order ahead of what is handed out."""
STEP = 1024
FETCHERS = 8


class Warmed(Protocol):
    """A tar whose blocks can be made ready."""

    @property
    def blocks(self) -> int:
        """How many there are."""

    def warm(self, number: int) -> None:
        """Have one ready."""


class NothingToFetch:
    """A tar on this machine."""

    blocks = 0

    def warm(self, number: int) -> None:
        """Do nothing."""


Shard = tuple[int, int]
"""Data set and shard."""


class Ahead:
    """Follows a stream's position; daemon threads open the shards that come next and fetch their blocks.

    `shards_of(positions)` names the shards of running positions; `opened(shard)` opens one. Ranks of a host share a
    cache, so each begins at another block of a shard (`share`, from 0 to 1). What fails here fails again, and is
    reported, when the sample is read.
    """

    def __init__(
        self, shards_of: Callable[[np.ndarray], list[Shard]], opened: Callable[[Shard], Warmed], share: float
    ) -> None:
        self._shards_of, self._opened, self._share = shards_of, opened, share
        self._queue: queue.SimpleQueue[Shard | None] = queue.SimpleQueue()
        self._wanted: set[Shard] = set()
        self._lock = threading.Lock()
        self._known = -1
        self._started = self._closed = False

    def move(self, running: int) -> None:
        """Note that the stream stands at a running position; the first time, start the threads."""
        if not self._started:
            self._started = True
            for number in range(FETCHERS):
                threading.Thread(target=self._work, name=f"ahead-{number}", daemon=True).start()
        if not running <= self._known <= running + LOOK + STEP:
            self._known = running  # the first call, or a state was loaded
        while self._known < running + LOOK:
            for shard in self._shards_of(np.arange(self._known, self._known + STEP)):
                with self._lock:
                    new = shard not in self._wanted
                    self._wanted.add(shard)
                if new:
                    self._queue.put(shard)
            self._known += STEP

    def _work(self) -> None:
        while (shard := self._queue.get()) is not None and not self._closed:
            try:
                tar = self._opened(shard)
                first = int(tar.blocks * self._share)
                for number in range(tar.blocks):
                    if self._closed:
                        return
                    tar.warm((first + number) % tar.blocks)
            except Exception:  # noqa: S110 - the read of a sample meets it again, and reports it
                pass
            finally:
                with self._lock:
                    self._wanted.discard(shard)

    def close(self) -> None:
        """End the threads after the block that each is fetching now; what is still queued is left."""
        self._closed = True
        for _ in range(FETCHERS):
            self._queue.put(None)
