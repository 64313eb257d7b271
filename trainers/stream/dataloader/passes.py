"""Counts the passes of a DataLoader's workers over a stream, in a memory page shared by all copies of the stream.

Workers send only samples to the main process. Through this page they agree on the epoch of a pass: when all of
them have ended a pass, the next pass is over the next epoch.
"""

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.dataloader.worker import Worker

MAX_WORKERS = 1000
_HEADER = 8


class Origin(NamedTuple):
    """Position of a stream when it was copied; the greater of two origins is the newer one."""

    loads: int
    running: int


class Passes:
    """The page of memory: the current pass, and which pass each worker began and ended last."""

    def __init__(self, descriptor: int | None = None) -> None:
        """Make the page, or map the one of a descriptor that another process made."""
        self._maker = os.getpid() if descriptor is None else 0
        size = 8 * (_HEADER + 2 * MAX_WORKERS)
        if descriptor is None:
            descriptor = os.memfd_create("loader passes", os.MFD_CLOEXEC)
            os.ftruncate(descriptor, size)
        self._file = os.fdopen(descriptor, "rb+", buffering=0)
        words = np.frombuffer(mmap.mmap(descriptor, size), np.int64)
        # pass, its start, its workers, their seed, the newest origin (2), whether a pass was begun, samples skipped
        self._head, self._begun, self._ended = np.split(words, [_HEADER, _HEADER + MAX_WORKERS])

    @property
    def descriptor(self) -> int:
        """File descriptor of the page, for a process that is spawned."""
        return self._file.fileno()

    @contextmanager
    def _locked(self) -> Iterator[np.ndarray]:
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield self._head
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def begin(
        self, worker: Worker, origin: Origin, loaded: int | None, epoch_samples: int, *, first: bool
    ) -> tuple[int, int]:
        """Return the pass that a worker's new iterator belongs to, and the running position where that pass began.

        `origin` is where the worker's copy was made, `loaded` the running position of a state that was loaded in the
        worker, and `first` marks the worker's first iterator. The first worker that begins a pass decides for all:
        when all workers have ended the last pass, the new one is over the next epoch.
        """
        if worker.workers > MAX_WORKERS:
            raise ConfigError(f"{worker.workers} workers of a DataLoader", remedy=f"use at most {MAX_WORKERS}")
        with self._locked() as head:
            number, start, workers, seed, loads, running = head[:6].tolist()
            if first and loaded is None and number and origin < (loads, running):
                return -1, origin.running  # the main process loaded a state while this worker was starting
            anew = self._begun[worker.number] == number or seed != worker.seed or workers != worker.workers
            if loaded is not None:
                anew, following = anew or start != loaded, loaded
            elif origin > (loads, running) or not number:
                anew, following = True, origin.running
                head[4:6] = origin
            else:
                members = range(workers) if self._maker != os.getpid() else [worker.number]
                ended = workers and all(self._ended[member] == number for member in members)
                following = (start // epoch_samples + 1) * epoch_samples if ended else start
            if anew:
                number, start = number + 1, following
                head[:4] = number, start, worker.workers, worker.seed
            head[6] = 1
            self._begun[worker.number] = number
            return int(number), int(start)

    def end(self, worker: int, number: int) -> None:
        """Record that a worker has yielded all of its share of a pass."""
        with self._locked() as head:
            if head[0] == number:
                self._ended[worker] = number

    def restart(self, running: int, loads: int) -> int:
        """Let the next pass of all copies begin at a running position; return the number of loads so far."""
        with self._locked() as head:
            loads = max(loads, int(head[4])) + 1
            head[:7] = head[0] + 1, running, 0, 0, loads, running, 0
        return loads

    def skip(self) -> None:
        """Count a sample that a worker skipped."""
        with self._locked() as head:
            head[7] += 1

    @property
    def skipped(self) -> int:
        """Number of samples that workers skipped."""
        return int(self._head[7])

    def has_passed(self, origin: Origin) -> bool:
        """Return whether workers have yielded samples after a copy's position."""
        with self._locked() as head:
            return bool(head[6]) and origin <= (int(head[4]), int(head[5]))
