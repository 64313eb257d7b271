"""A pool of worker processes with limits on memory and time: an item that crashes its worker fails alone.

Workers are pebble's. A forkserver starts them, because fork can deadlock beside gRPC threads and spawn would import
Beam again. Each worker runs under RLIMIT_AS and RLIMIT_CPU. Items are sent in chunks; if a chunk fails, its items run
again one at a time, so an item's result does not depend on its neighbours. The wall-clock limit only catches hangs.
"""

import errno
import gc
import multiprocessing
import resource
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from pebble import ProcessExpired, ProcessPool

from corpusloom.schemas.errors import raise_shortage
from corpusloom.schemas.verdicts import Dead

Item = TypeVar("Item")
Result = TypeVar("Result")
_Item_contra = TypeVar("_Item_contra", contravariant=True)
_Result_co = TypeVar("_Result_co", covariant=True)

HUNG = "page_hung"
"""Error class of an item that exceeded the wall clock; ledgers and tables of facts hold the word, so it is stable."""


class Task(Protocol[_Item_contra, _Result_co]):
    """The work on one item: an importable function, or a `functools.partial` of one. It must not raise."""

    def __call__(self, item: _Item_contra, /) -> _Result_co:
        """Return the item's result."""


class Cost(Protocol[_Item_contra]):
    """A function that returns the size of an item, which bounds chunks."""

    def __call__(self, item: _Item_contra, /) -> int:
        """Return the item's size in bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolConfig:
    """Size of the pool and limits of its workers, far above the caps that the tasks themselves apply."""

    size: int = 1
    """Worker processes; 0 runs the task in this process (for tests and notebooks)."""

    chunk_items: int = 16
    """Items per chunk, at most."""

    chunk_bytes: int = 4_000_000
    """Bytes per chunk, at most; a larger item is a chunk of its own."""

    memory: int = 2_000_000_000
    """Bytes of address space per worker; raised if the worker's imports would leave less than half of it."""

    cpu_seconds: int = 30
    """CPU seconds per item, after which its worker is killed."""

    wall_seconds: float = 300.0
    """Seconds without an answer after which a chunk counts as hung and its items run again one at a time."""


class WorkerPool(Generic[Item, Result]):
    """Processes that run one task on many items; use it as a context manager, or call `close`.

    Args:
      task: The work on one item.
      config: Size and limits.
      cost: An item's bytes.
      preload: Modules that the forkserver imports once for all workers. They must not import Beam. A process has only
        one forkserver, so those of the first pool count.
    """

    def __init__(
        self,
        task: Task[Item, Result],
        config: PoolConfig | None = None,
        *,
        cost: Cost[Item],
        preload: Sequence[str] = (),
    ) -> None:
        self.config = config or PoolConfig()
        self.task = task
        self._cost = cost
        self._preload = [__name__, *preload]
        self._pool: ProcessPool | None = None

    def __enter__(self) -> "WorkerPool[Item, Result]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def map(self, items: Iterable[Item]) -> Iterator[Result | Dead]:
        """Yield one result per item, in the order of the items; Dead for an item whose worker crashed or hung.

        Reads ahead by two chunks per worker.
        """
        if self.config.size == 0:
            yield from map(self.task, items)
            return
        waiting: deque[tuple[list[Item], Future[list[Result]]]] = deque()
        following = chunks(iter(items), self._cost, self.config)
        for chunk in islice(following, 2 * self.config.size):
            waiting.append((chunk, self._submit(chunk)))
        while waiting:
            chunk, future = waiting.popleft()
            yield from self._results(chunk, future)
            for chunk in islice(following, 1):
                waiting.append((chunk, self._submit(chunk)))

    def close(self) -> None:
        """End the workers. Safe to call twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()
            pool.join()

    def _submit(self, chunk: list[Item]) -> Future[list[Result]]:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(self._preload)
            self._pool = ProcessPool(
                max_workers=self.config.size,
                max_tasks=0,
                context=context,
                initializer=_start_worker,
                initargs=[self.config.memory],
            )
        future: Future[list[Result]] = self._pool.schedule(
            run_chunk, args=[self.task, chunk, self.config.cpu_seconds], timeout=self.config.wall_seconds
        )
        return future

    def _results(self, chunk: list[Item], future: "Future[list[Result]]") -> list[Result | Dead]:
        """Return a chunk's results; if its worker crashed or hung, run its items again one at a time."""
        try:
            return [*future.result()]
        except (FutureTimeout, ProcessExpired, MemoryError, OSError) as error:
            if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                raise_shortage(error)  # memory is limited for each worker, but descriptors are lacking for all items
            if len(chunk) > 1:
                return [result for item in chunk for result in self._results([item], self._submit([item]))]
            return [_lost(error)]


def _lost(error: BaseException) -> Dead:
    """Return the verdict on an item whose worker crashed or hung."""
    if isinstance(error, FutureTimeout):
        return Dead(HUNG, "no answer within the wall clock guard")
    if isinstance(error, ProcessExpired):
        return Dead("worker_died", f"exit code {error.exitcode}")
    return Dead(type(error).__name__, str(error)[:500])


def chunks(items: Iterator[Item], cost: Cost[Item], config: PoolConfig) -> Iterator[list[Item]]:
    """Yield chunks of at most `chunk_items` items and `chunk_bytes` bytes; a larger item is a chunk of its own."""
    chunk: list[Item] = []
    size = 0
    for item in items:
        item_bytes = cost(item)
        if chunk and (len(chunk) >= config.chunk_items or size + item_bytes > config.chunk_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += item_bytes
    if chunk:
        yield chunk


def relax_gc() -> None:
    """Run Python's cycle collector a hundred times less often, for a process that only extracts pages.

    A page makes tens of thousands of objects and almost no cycles; collecting would take a quarter of the time.
    """
    gc.freeze()
    gc.set_threshold(70_000, 20, 20)


def _start_worker(memory: int) -> None:
    """Limit a new worker's address space, unless the system's limit is lower.

    A worker imports the main module of its program. If that is a script which imports Beam, the worker starts with 2 GB
    of address space; the limit is then half of `memory` above that, since otherwise every item would fail.
    """
    relax_gc()
    with open("/proc/self/statm") as pages:
        at_start = int(pages.read().split()[0]) * resource.getpagesize()
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = max(memory, at_start + memory // 2)
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))


def run_chunk(task: Task[Item, Result], chunk: Sequence[Item], cpu_seconds: int) -> list[Result]:
    """Run the task on each item in a worker; an item that exceeds its CPU seconds ends the process."""
    results: list[Result] = []
    for item in chunk:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        allowance = int(usage.ru_utime + usage.ru_stime) + cpu_seconds + 1
        resource.setrlimit(resource.RLIMIT_CPU, (allowance if hard < 0 else min(allowance, hard), hard))
        results.append(task(item))
    return results
