"""Fetching as a guest: robots.txt first, a few slots and a delay a registered domain, back-off, a circuit breaker."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Literal

from pipelines.net.config import FetchConfig
from pipelines.net.fetcher import Fetched, Fetcher, Outcome
from pipelines.net.robots import Robots, parse_robots, robots_url
from pipelines.net.signals import opt_out
from schemas import identity
from schemas.verdicts import Dead, Rejected

BREAKER_FAILURES = 3
MAX_RETRY_AFTER = 60.0
_HOST_FAILURES = frozenset(("connect_failed", "connect_timeout", "total_timeout", "idle_timeout", "disconnected"))
_RETRIED = frozenset(("http_429", "http_503", "http_502", "http_504", "disconnected", "body_cut_off"))


@dataclass
class _Domain:
    """The state of one registered domain: free slots, when the next fetch may start."""

    slots: asyncio.Semaphore
    delay: float
    next_at: float = 0.0


@dataclass
class _Host:
    """The state of one host: its robots.txt and its failures in a row."""

    robots: asyncio.Future[Robots] | None = None
    failures: int = 0


@dataclass
class PoliteFetcher:
    """Fetches of one kind through a `Fetcher`, with every host's wishes and strength in mind."""

    fetcher: Fetcher
    kind: Literal["page", "image"]
    robots_answers: list[Fetched] = field(default_factory=list)
    """The robots.txt answers, which a WARC keeps as evidence."""
    _domains: dict[str, _Domain] = field(default_factory=dict)
    _hosts: dict[str, _Host] = field(default_factory=dict)
    _jitter: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - spreads load, no secret

    @property
    def config(self) -> FetchConfig:
        """Return the configuration."""
        return self.fetcher.config

    async def get(self, url: str, *, accept_errors: bool = False) -> Outcome:
        """Fetch a URL when its host allows it and its domain has a free slot."""
        name = identity.host_of(url)
        host = self._hosts.setdefault(name, _Host())
        domain = self._domain(identity.registered_domain(name))
        if host.failures >= BREAKER_FAILURES:
            return Dead("host_unresponsive", f"{host.failures} failures in a row")
        if (refused := await self.approve(url)) is not None:
            return refused
        outcome = await self._attempts(url, host, domain, accept_errors)
        failed = isinstance(outcome, Dead) and outcome.error in _HOST_FAILURES
        host.failures = host.failures + 1 if failed else 0
        return outcome

    def _domain(self, name: str) -> _Domain:
        if name not in self._domains:
            config = self.config
            slots = config.page_slots if self.kind == "page" else config.image_slots
            default = config.page_delay if self.kind == "page" else config.image_delay
            delay = default if config.delay is None else config.delay
            self._domains[name] = _Domain(asyncio.Semaphore(slots if delay else max(slots, 8)), delay)
        return self._domains[name]

    async def _attempts(self, url: str, host: _Host, domain: _Domain, accept_errors: bool) -> Outcome:
        for attempt in range(self.config.retries + 1):
            async with domain.slots:
                if host.failures >= BREAKER_FAILURES:
                    return Dead("host_unresponsive", f"{host.failures} failures in a row")
                await self._wait_turn(domain)
                outcome = await self.fetcher.fetch(url, self.kind, accept_errors=accept_errors, approve=self.approve)
            again = (isinstance(outcome, Dead) and outcome.error in _RETRIED) or (
                isinstance(outcome, Fetched) and outcome.status in (429, 503)
            )
            if not again or attempt == self.config.retries:
                return outcome
            await asyncio.sleep(self._back_off(outcome, attempt))
        return outcome

    def _back_off(self, outcome: Outcome, attempt: int) -> float:
        if isinstance(outcome, Fetched):
            header = next((v for n, v in outcome.headers if n.lower() == "retry-after"), "")
            if header.strip().isdigit():
                return min(float(header), MAX_RETRY_AFTER)
        return float(0.5 * 2**attempt * (1 + self._jitter.random()))

    async def _wait_turn(self, domain: _Domain) -> None:
        if not domain.delay:
            return
        loop = asyncio.get_running_loop()
        start = max(loop.time(), domain.next_at)
        domain.next_at = start + domain.delay
        await asyncio.sleep(start - loop.time())

    async def approve(self, url: str) -> Rejected | Dead | None:
        """Return why a host's robots.txt keeps us from a URL, or None."""
        name = identity.host_of(url)
        host = self._hosts.setdefault(name, _Host())
        domain = self._domain(identity.registered_domain(name))
        if not self.config.robots_txt:
            return None
        if host.robots is None:
            host.robots = asyncio.get_running_loop().create_future()
            host.robots.set_result(await self._fetch_robots(url, host))
        robots = await asyncio.shield(host.robots)
        if robots.rules is None:
            return robots.refused or Rejected("robots_unavailable")
        if not robots.allows(url):
            return Rejected("robots_disallowed")
        delay = robots.crawl_delay
        if delay is not None and delay > self.config.max_crawl_delay:
            return Rejected("crawl_delay_too_long", delay, self.config.max_crawl_delay)
        if delay is not None and self.config.delay is None:
            domain.delay = max(domain.delay, delay)
        return opt_out(robots.signals, self.config.honour, unit=self.kind)

    async def _fetch_robots(self, url: str, host: _Host) -> Robots:
        answer = await self.fetcher.fetch(robots_url(url), "robots")
        if isinstance(answer, Fetched):
            self.robots_answers.append(answer)
            return parse_robots(answer.status, answer.body, seen_at=answer.fetched_at)
        return Robots(None, refused=answer if isinstance(answer, Rejected) else None)
