"""Makes batches in processes: each worker assembles a batch in shared memory, which the caller then maps.

The caller makes the memory (a memfd) and the worker opens it through /proc, so that the kernel frees it with its last
user, whichever process ends first. The setup with which a worker opens the same samples is pickled into such memory
too, and read once per worker. A worker that dies raises an error with its signal or exit code; workers end with their
parent.
"""

import mmap
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import numpy as np

from corpusloom.schemas.errors import ConfigError, LoomError
from corpusloom.trainers.stream.batches.assemble import AssembledBatch, Shapes, SkippedSample, assemble
from corpusloom.trainers.stream.errors import CarriedError, reason_of
from corpusloom.trainers.stream.plan import SamplePlace, Transform
from corpusloom.trainers.stream.sample_reader import ReaderConfig, SampleReader

_ALIGNED = 64


class WorkerError(LoomError):
    """A process of the loader ended while it made a batch."""


class WorkerSetup(NamedTuple):
    """Settings with which a worker makes batches."""

    reader: ReaderConfig
    transform: Transform
    rng_seed: int
    on_error: str


class SharedBatch(NamedTuple):
    """A batch in shared memory: name -> (shape, type, offset in bytes), and the values outside of that memory."""

    layout: dict[str, tuple[tuple[int, ...], str, int]]
    valid: np.ndarray
    keys: list[str]
    skipped: list[SkippedSample]


class ProcessBatchPool:
    """A pool of processes that make the batches of one stream."""

    def __init__(self, setup: WorkerSetup, workers: int) -> None:
        try:
            pickled = pickle.dumps(setup)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ConfigError(
                f"the transform cannot be sent to processes: {error}",
                remedy="use a function of a module, or functools.partial of one; or threads",
            ) from error
        self._setup = os.fdopen(os.memfd_create("loader setup", os.MFD_CLOEXEC), "wb")
        self._setup.write(pickled)
        self._setup.flush()
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
        self._workers: dict[int, BaseProcess] = {}

    def submit(self, places: Sequence[SamplePlace | None]) -> "Future[AssembledBatch]":
        """Start making one batch; the future that is returned waits on the worker's."""
        memory = os.memfd_create("loader batch", os.MFD_CLOEXEC)
        result: Future[AssembledBatch] = Future()
        try:
            running = self._pool.submit(_make, os.getpid(), self._setup.fileno(), places, memory)
        except BrokenProcessPool as error:
            os.close(memory)
            result.set_exception(self._worker_error(error))
            return result
        self._workers.update(getattr(self._pool, "_processes", None) or {})
        running.add_done_callback(lambda done: self._finish(done, memory, result))
        return result

    def _finish(self, done: "Future[SharedBatch]", memory: int, result: "Future[AssembledBatch]") -> None:
        """Map the batch that a worker made, or pass its error on."""
        try:
            if done.cancelled():
                result.cancel()
                return
            error = done.exception()
            if isinstance(error, BrokenProcessPool):
                error = self._worker_error(error)
            if error is not None:
                result.set_exception(error)
                return
            made = done.result()
            arrays = {"valid": made.valid, **_mapped(memory, made.layout)}
            result.set_result(AssembledBatch(arrays, made.keys, made.skipped))
        finally:
            os.close(memory)

    def _worker_error(self, error: BrokenProcessPool) -> WorkerError:
        """Return the error that says how a worker ended; the pool ends the other workers with SIGTERM."""
        ended = wait([worker.sentinel for worker in self._workers.values()], 0)
        for worker in self._workers.values():
            if worker.sentinel in ended:
                worker.join(1)  # a worker's pipes close shortly before the kernel reports its exit code
        codes = [worker.exitcode for worker in self._workers.values()]
        code = next((code for code in codes if code not in (None, 0, -signal.SIGTERM)), None)
        how = f"with exit code {code}" if code is not None else "at its start or for an unknown reason"
        if code is not None and code < 0:
            how = f"by {signal.Signals(-code).name}"
        remedy = (
            "guard the main script with if __name__ == '__main__'" if code is None else "resume from the last state"
        )
        if code == -signal.SIGKILL:
            remedy = "is there enough memory? resume from the last state, with fewer workers"
        died = WorkerError(f"a process of the loader ended {how}", where="loader", remedy=remedy)
        died.__cause__ = error
        return died

    def shutdown(self) -> None:
        """End the processes after the batch that each is making now."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._setup.close()


def _mapped(memory: int, layout: dict[str, tuple[tuple[int, ...], str, int]]) -> dict[str, np.ndarray]:
    """Return the arrays of a batch; they hold the mapping, and the mapping holds the memory."""
    if not layout:
        return {}
    mapping = mmap.mmap(memory, 0)
    return {
        name: np.frombuffer(mapping, dtype, int(np.prod(shape)), offset).reshape(shape)
        for name, (shape, dtype, offset) in layout.items()
    }


# --- inside a worker ---


def _end_with_parent() -> None:
    """End this process when its parent ends, which a worker that waits for a task would not notice."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "the initializer runs in a child"

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the parent handles Ctrl-C


@lru_cache(1)
def _opened(parent: int, setup: int) -> tuple[SampleReader, WorkerSetup]:
    """Return the reader of a setup in the parent's memory, and the setup."""
    with open(f"/proc/{parent}/fd/{setup}", "rb") as file:
        loaded: WorkerSetup = pickle.load(file)  # noqa: S301 - memory of our own parent, never a file of others
    return SampleReader(loaded.reader), loaded


def _make(parent: int, setup: int, places: Sequence[SamplePlace | None], memory: int) -> SharedBatch:
    """Make one batch in the parent's memory."""
    reader, (_, transform, rng_seed, on_error) = _opened(parent, setup)
    layout: dict[str, tuple[tuple[int, ...], str, int]] = {}

    def shared(shapes: Shapes) -> dict[str, np.ndarray]:
        end = 0
        for name, (shape, dtype) in shapes.items():
            layout[name] = shape, dtype.str, end
            end += -(-int(np.prod(shape)) * dtype.itemsize // _ALIGNED) * _ALIGNED
        descriptor = os.open(f"/proc/{parent}/fd/{memory}", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, max(end, 1))
            return _mapped(descriptor, layout)
        finally:
            os.close(descriptor)

    made = assemble(reader, places, transform, shared, rng_seed=rng_seed, on_error=on_error)
    skipped = [
        SkippedSample(place, key, CarriedError(reason_of(error), str(error))) for place, key, error in made.skipped
    ]
    return SharedBatch(layout, made.arrays["valid"], made.keys, skipped)
