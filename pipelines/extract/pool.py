"""Extraction in killable worker processes: a page that hangs, bloats or crashes costs that page and nothing else.

Workers are pebble's, started by a forkserver (fork can deadlock beside gRPC threads, spawn would import Beam again),
under RLIMIT_AS and RLIMIT_CPU. Pages go over in chunks; when a chunk fails its pages run again one at a time, so the
verdict of a page never depends on its neighbours. The wall clock is a guard against a hang only.
"""

import gc
import multiprocessing
import resource
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Protocol, TypeAlias

from pebble import ProcessExpired, ProcessPool

from corpusloom.pipelines.extract.alt_texts import PageImages
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.types import ExtractConfig, Extracted
from corpusloom.schemas.records import ImageFacts
from corpusloom.schemas.verdicts import Dead, Rejected

Item: TypeAlias = tuple[bytes, str, str | None]
"""(html, url, content type)"""
Result: TypeAlias = Extracted | PageImages | ImageFacts | Rejected | Dead


class Task(Protocol):
    """What a worker does with bytes: `extract`, `alt_texts.page_images`, `facts.facts_task`. An importable function."""

    def __call__(self, html: bytes, url: str, *, content_type: str | None, config: ExtractConfig) -> Result:
        """Return the page's result; never raise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolConfig:
    """How many workers, and what ends one. The limits are far above what the extractor's own caps allow."""

    size: int = 1
    """Worker processes; 0 extracts in this process (for tests and notebooks)."""

    chunk_pages: int = 16
    """Pages handed over at once."""

    chunk_bytes: int = 4_000_000
    """Bytes of HTML handed over at once; a larger page goes alone."""

    memory: int = 2_000_000_000
    """Bytes of address space of a worker."""

    cpu_seconds: int = 30
    """CPU seconds that one page may take before its worker is killed."""

    wall_seconds: float = 300.0
    """Seconds without an answer after which a chunk counts as hung and its pages run again alone."""


class ExtractPool:
    """A pool of extracting processes; use it as a context manager, or call `close`."""

    def __init__(
        self, config: PoolConfig | None = None, extraction: ExtractConfig | None = None, task: Task = extract
    ) -> None:
        self.config = config or PoolConfig()
        self.extraction = extraction or ExtractConfig()
        self.task = task
        self._pool: ProcessPool | None = None

    def __enter__(self) -> "ExtractPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def map(self, items: Iterable[Item]) -> Iterator[Result]:
        """Extract pages; one result an item, in the order of the items. Reads ahead by two chunks a worker."""
        if self.config.size == 0:
            for html, url, content_type in items:
                yield self.task(html, url, content_type=content_type, config=self.extraction)
            return
        waiting: deque[tuple[list[Item], Future[list[Result]]]] = deque()
        following = chunks(iter(items), self.config)
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
            context.set_forkserver_preload(["corpusloom.pipelines.extract.pool"])
            self._pool = ProcessPool(
                max_workers=self.config.size,
                max_tasks=0,
                context=context,
                initializer=_limit,
                initargs=[self.config.memory],
            )
        seconds = self.config.cpu_seconds
        future: Future[list[Result]] = self._pool.schedule(
            extract_chunk, args=[chunk, self.extraction, seconds, self.task], timeout=self.config.wall_seconds
        )
        return future

    def _results(self, chunk: list[Item], future: "Future[list[Result]]") -> list[Result]:
        """Return a chunk's results; when its worker was lost, those of its pages one at a time."""
        try:
            return future.result()
        except (FutureTimeout, ProcessExpired, MemoryError, OSError) as error:
            if len(chunk) > 1:
                return [result for item in chunk for result in self._results([item], self._submit([item]))]
            return [_death(error)]


def _death(error: BaseException) -> Dead:
    if isinstance(error, FutureTimeout):
        return Dead("page_hung", "no answer within the wall clock guard")
    if isinstance(error, ProcessExpired):
        return Dead("worker_died", f"exit code {error.exitcode}")
    return Dead(type(error).__name__, str(error)[:500])


def chunks(items: Iterator[Item], config: PoolConfig) -> Iterator[list[Item]]:
    """Yield the items in chunks of at most `chunk_pages` and, a larger page apart, `chunk_bytes`."""
    chunk: list[Item] = []
    size = 0
    for item in items:
        if chunk and (len(chunk) >= config.chunk_pages or size + len(item[0]) > config.chunk_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += len(item[0])
    if chunk:
        yield chunk


def calm_collector() -> None:
    """Let Python's cycle collector run a hundred times less often in a process that does nothing but extract.

    A page makes tens of thousands of objects and next to no cycles; looking for them takes a quarter of the time.
    """
    gc.freeze()
    gc.set_threshold(70_000, 20, 20)


def _limit(memory: int) -> None:
    """Run in a new worker: bound its address space, unless the system already bounds it lower."""
    calm_collector()
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))


def extract_chunk(chunk: list[Item], config: ExtractConfig, cpu_seconds: int, task: Task) -> list[Result]:
    """Extract a chunk in a worker; past its allowance of CPU seconds a page ends the process."""
    results: list[Result] = []
    for html, url, content_type in chunk:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        allowance = int(usage.ru_utime + usage.ru_stime) + cpu_seconds + 1
        resource.setrlimit(resource.RLIMIT_CPU, (allowance if hard < 0 else min(allowance, hard), hard))
        results.append(task(html, url, content_type=content_type, config=config))
    return results
