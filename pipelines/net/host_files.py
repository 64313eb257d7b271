"""Cache of robots.txt, tdmrep.json and ai.txt per origin: fetched once, then kept for a day."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from corpusloom.pipelines.net.exchange.errors import verdict_of_error
from corpusloom.pipelines.net.exchange.fetcher import Fetcher
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.permissions.robots import (
    ALLOW_ALL,
    AiFile,
    HostFiles,
    Robots,
    TdmFile,
    parse_ai_txt,
    parse_robots,
    parse_tdmrep,
)
from corpusloom.schemas.verdicts import Dead, Rejected

MAX_ORIGINS = 20_000
"""Origins in the cache; the one that was added first is evicted."""

MAX_BYTES = 8_000_000
"""Bytes of the files in the cache, over all origins. Parsed they take up to 40 times as much memory."""

HostFilesOutcome: TypeAlias = HostFiles | Rejected | Dead
"""The files of an origin, or the verdict on all its URLs if robots.txt cannot be fetched."""


def origin_of(url: str) -> str:
    """Return scheme, host and port of a cleaned URL: the scope of one robots.txt."""
    return url[: url.index("/", len("https://"))]


@dataclass
class HostFilesCache:
    """Fetches and caches the files of each origin; concurrent requests for one origin share one fetch.

    Args:
      fetcher: The guarded fetcher.
      on_file: Called with the response for each file, to write it into a WARC as evidence.
    """

    fetcher: Fetcher
    on_file: Callable[[Response], None] | None = None
    _entries: OrderedDict[str, tuple[float, asyncio.Future[HostFilesOutcome]]] = field(default_factory=OrderedDict)
    """Origin -> the time at which the entry expires, and its files."""
    _sizes: Counter[str] = field(default_factory=Counter)
    """Origin -> bytes of its files."""
    _bytes: int = 0
    """Sum of `_sizes`."""

    def cached(self, url: str) -> HostFilesOutcome | None:
        """Return the cached files of a URL's origin, or None."""
        entry = self._entries.get(origin_of(url))
        if entry is None or not entry[1].done() or entry[0] < asyncio.get_running_loop().time():
            return None
        return entry[1].result()

    async def get(self, url: str) -> HostFilesOutcome:
        """Return the files of a URL's origin, fetching them if they are not cached; a verdict if that failed."""
        origin, loop = origin_of(url), asyncio.get_running_loop()
        entry = self._entries.get(origin)
        if entry is None or entry[0] < loop.time():
            files: asyncio.Future[HostFilesOutcome] = loop.create_future()
            entry = (loop.time() + self.fetcher.config.robots_seconds, files)
            self._entries[origin] = entry
            self._bytes -= self._sizes.pop(origin, 0)
            try:
                files.set_result(await self._fetch(origin))
            except BaseException as error:
                self._entries.pop(origin, None)
                _fail(files, error)
                raise
            if isinstance(files.result(), Dead):  # an error is cached for minutes, not for a day
                self._entries[origin] = (loop.time() + self.fetcher.config.breaker_seconds, files)
            self._evict()
        return await asyncio.shield(entry[1])

    def _evict(self) -> None:
        """Remove the origins that were added first, until the cache is within its limits."""
        while self._entries and (len(self._entries) > MAX_ORIGINS or self._bytes > MAX_BYTES):
            origin, _ = self._entries.popitem(last=False)
            self._bytes -= self._sizes.pop(origin, 0)

    async def _fetch(self, origin: str) -> HostFilesOutcome:
        """Fetch and parse the files of an origin; an error is the verdict on all its URLs."""
        try:
            return await self._fetch_files(origin)
        except Exception as error:
            return verdict_of_error(error)

    async def _fetch_files(self, origin: str) -> HostFilesOutcome:
        config = self.fetcher.config
        robots = Robots(ALLOW_ALL)
        if config.robots_txt:
            response = await self._file(f"{origin}/robots.txt")
            if not isinstance(response, Response):
                return response
            robots = parse_robots(response.status, response.body, seen_at=response.fetched_at, agents=config.agents)
            if robots.rules is None:
                return Dead("robots_unavailable", f"status {response.status}")
        tdm, ai = TdmFile(), AiFile()
        if "tdm-reservation" in config.honour:
            response = await self._file(f"{origin}/.well-known/tdmrep.json")
            if isinstance(response, Response) and response.status == 200:
                tdm = parse_tdmrep(response.body, seen_at=response.fetched_at)
        if "ai.txt" in config.honour:
            response = await self._file(f"{origin}/ai.txt")
            if isinstance(response, Response) and response.status == 200:
                ai = parse_ai_txt(response.body, seen_at=response.fetched_at)
        return HostFiles(robots, tdm, ai)

    async def _file(self, url: str) -> FetchOutcome:
        response = await self.fetcher.fetch(url, "robots", accept_errors=True)
        if isinstance(response, Response):
            self._sizes[origin_of(url)] += len(response.body)
            self._bytes += len(response.body)
            if self.on_file is not None:
                self.on_file(response)
        return response


def _fail(files: asyncio.Future[HostFilesOutcome], error: BaseException) -> None:
    """End a future with the error that ends the run, for all that wait for it."""
    if isinstance(error, asyncio.CancelledError):
        files.cancel()
    else:
        files.set_exception(error)
        files.exception()  # asyncio logs an exception that nobody retrieves
