"""The files in which hosts state their wishes, fetched once an origin and believed for a day."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from corpusloom.pipelines.net.exchange.fetcher import Fetcher
from corpusloom.pipelines.net.exchange.response import Response
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

KEPT_ORIGINS = 20_000

HostFilesOutcome = HostFiles | Rejected | Dead


def origin_of(url: str) -> str:
    """Return scheme, host and port of a cleaned URL: what one robots.txt governs."""
    return url[: url.index("/", len("https://"))]


@dataclass
class HostFilesCache:
    """Fetches and keeps each origin's wishes; fetches of one origin wait for the same answer.

    Args:
      fetcher: The guarded fetcher.
      on_file: Called with every robots.txt, tdmrep.json and ai.txt that answered: evidence for a WARC.
    """

    fetcher: Fetcher
    on_file: Callable[[Response], None] | None = None
    _kept: OrderedDict[str, tuple[float, asyncio.Future[HostFilesOutcome]]] = field(default_factory=OrderedDict)

    def known(self, url: str) -> HostFilesOutcome | None:
        """Return what is known of a URL's origin without asking, or None."""
        entry = self._kept.get(origin_of(url))
        if entry is None or not entry[1].done() or entry[0] < asyncio.get_running_loop().time():
            return None
        return entry[1].result()

    async def of(self, url: str) -> HostFilesOutcome:
        """Return the wishes of a URL's origin; a verdict when they cannot be known."""
        origin, loop = origin_of(url), asyncio.get_running_loop()
        entry = self._kept.get(origin)
        if entry is None or entry[0] < loop.time():
            answer: asyncio.Future[HostFilesOutcome] = loop.create_future()
            entry = (loop.time() + self.fetcher.config.robots_seconds, answer)
            self._kept[origin] = entry
            while len(self._kept) > KEPT_ORIGINS:
                self._kept.popitem(last=False)
            try:
                answer.set_result(await self._fetch(origin))
            except BaseException:
                self._kept.pop(origin, None)
                answer.cancel()
                raise
            if isinstance(answer.result(), Dead):  # a failure is not believed for a day
                self._kept[origin] = (loop.time() + self.fetcher.config.breaker_seconds, answer)
        return await asyncio.shield(entry[1])

    async def _fetch(self, origin: str) -> HostFilesOutcome:
        config = self.fetcher.config
        robots = Robots(ALLOW_ALL)
        if config.robots_txt:
            answer = await self._file(f"{origin}/robots.txt")
            if not isinstance(answer, Response):
                return answer
            robots = parse_robots(answer.status, answer.body, seen_at=answer.fetched_at, agents=config.agents)
            if robots.rules is None:
                return Dead("robots_unavailable", f"status {answer.status}")
        tdm, ai = TdmFile(), AiFile()
        if "tdm-reservation" in config.honour:
            answer = await self._file(f"{origin}/.well-known/tdmrep.json")
            if isinstance(answer, Response) and answer.status == 200:
                tdm = parse_tdmrep(answer.body, seen_at=answer.fetched_at)
        if "ai.txt" in config.honour:
            answer = await self._file(f"{origin}/ai.txt")
            if isinstance(answer, Response) and answer.status == 200:
                ai = parse_ai_txt(answer.body, seen_at=answer.fetched_at)
        return HostFiles(robots, tdm, ai)

    async def _file(self, url: str) -> Response | Rejected | Dead:
        answer = await self.fetcher.fetch(url, "robots", accept_errors=True)
        if isinstance(answer, Response) and self.on_file is not None:
            self.on_file(answer)
        return answer
