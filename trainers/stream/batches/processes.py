"""Batches made by processes: each assembles its batch in shared memory, which the caller then maps.

The caller makes the memory (a memfd) and the worker opens it through /proc, so the kernel frees it with its last
user, whoever dies. What a worker needs to open the same dataset, pickled by us for us, lies in such memory too and is
read once a worker. A worker that dies is an error that says how; workers end with their parent.
"""

import mmap
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing.connection import wait
from typing import Any, NamedTuple

import numpy as np

from corpusloom.schemas.errors import ConfigError, LoomError
from corpusloom.trainers.stream.batches.collate import Made, Plan, Shapes, Transform, make_batch
from corpusloom.trainers.stream.errors import CarriedError, reason_of
from corpusloom.trainers.stream.order.sources import Place

_ALIGNED = 64


class WorkerError(LoomError):
    """A process of the loader ended while it made a batch."""


class Shared(NamedTuple):
    """A batch in shared memory: name -> (shape, type, place in bytes), and the rest of it."""

    layout: dict[str, tuple[tuple[int, ...], str, int]]
    valid: np.ndarray
    keys: list[str]
    skipped: list[tuple[Place, str, Exception]]


class ProcessMakers:
    """A pool of processes that make the batches of one stream."""

    def __init__(self, recipe: Mapping[str, Any], plan: Plan, transform: Transform) -> None:
        try:
            pickled = pickle.dumps((dict(recipe), plan, transform))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ConfigError(
                f"the transform cannot go to processes: {error}",
                remedy="use a function of a module, or functools.partial of one; or threads",
            ) from error
        self._recipe = os.fdopen(os.memfd_create("loader recipe", os.MFD_CLOEXEC), "wb")
        self._recipe.write(pickled)
        self._recipe.flush()
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(plan.workers, mp_context=context, initializer=_end_with_parent)
        self._workers: dict[int, Any] = {}

    def submit(self, places: list[Place | None]) -> "Future[Made]":
        """Have one batch made; its future waits on that of the worker."""
        memory = os.memfd_create("loader batch", os.MFD_CLOEXEC)
        result: Future[Made] = Future()
        try:
            running = self._pool.submit(_make, os.getpid(), self._recipe.fileno(), places, memory)
        except BrokenProcessPool as error:
            os.close(memory)
            result.set_exception(self._died(error))
            return result
        self._workers.update(getattr(self._pool, "_processes", None) or {})
        running.add_done_callback(lambda done: self._finish(done, memory, result))
        return result

    def _finish(self, done: "Future[Shared]", memory: int, result: "Future[Made]") -> None:
        """Map what a worker made, or pass on why it made nothing."""
        try:
            if done.cancelled():
                result.cancel()
                return
            error = done.exception()
            if isinstance(error, BrokenProcessPool):
                error = self._died(error)
            if error is not None:
                result.set_exception(error)
                return
            made = done.result()
            arrays = {"valid": made.valid, **_mapped(memory, made.layout)}
            result.set_result(Made(arrays, made.keys, made.skipped))
        finally:
            os.close(memory)

    def _died(self, error: BrokenProcessPool) -> WorkerError:
        """Return the error that says how a worker ended; the pool ends the others with SIGTERM."""
        ended = wait([worker.sentinel for worker in self._workers.values()], 0)
        for worker in self._workers.values():
            if worker.sentinel in ended:
                worker.join(1)  # its pipes close a moment before the kernel tells its exit code
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
        """End the processes after what each is making now."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._recipe.close()


def _mapped(memory: int, layout: dict[str, tuple[tuple[int, ...], str, int]]) -> dict[str, np.ndarray]:
    """Return the arrays of a batch; they hold the mapping, and it the memory."""
    if not layout:
        return {}
    mapping = mmap.mmap(memory, 0)
    return {
        name: np.frombuffer(mapping, dtype, int(np.prod(shape)), place).reshape(shape)
        for name, (shape, dtype, place) in layout.items()
    }


# --- inside a worker ---


def _end_with_parent() -> None:
    """Watch the parent: a worker that waits for work would not notice its death."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "the initializer runs in a child"

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle


@lru_cache(1)
def _opened(parent: int, recipe: int) -> Any:
    """Return dataset, plan and transform of a recipe that lies in the parent's memory."""
    from corpusloom.trainers.stream.dataset import StreamingDataset

    with open(f"/proc/{parent}/fd/{recipe}", "rb") as file:
        settings, plan, transform = pickle.load(file)  # noqa: S301 - our own parent's memory, never a file of others
    return StreamingDataset(**settings), plan, transform


def _make(parent: int, recipe: int, places: list[Place | None], memory: int) -> Shared:
    """Make one batch in the parent's memory."""
    dataset, plan, transform = _opened(parent, recipe)
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

    made = make_batch(dataset, places, plan, transform, shared)
    skipped: list[tuple[Place, str, Exception]] = [
        (place, key, CarriedError(reason_of(error), str(error))) for place, key, error in made.skipped
    ]
    return Shared(layout, made.arrays["valid"], made.keys, skipped)
