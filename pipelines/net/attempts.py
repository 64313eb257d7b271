"""Makes one attempt to fetch a URL: permission, the HTTP exchange, and the next target after a redirect or error."""

import asyncio
import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from corpusloom.pipelines.net.circuit_breaker import CircuitBreaker
from corpusloom.pipelines.net.config import SLOTS_WITHOUT_DELAY
from corpusloom.pipelines.net.domain_queue import DomainQueue
from corpusloom.pipelines.net.exchange.errors import HOST_ERRORS, NETWORK_ERRORS, RETRIED_ERRORS
from corpusloom.pipelines.net.exchange.fetcher import NO_HEADERS, Fetcher, conditional
from corpusloom.pipelines.net.exchange.redirects import next_hop, page_before
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.host_files import HostFilesCache
from corpusloom.pipelines.net.outage import OutageDetector
from corpusloom.pipelines.net.permissions.opt_outs import opt_out
from corpusloom.pipelines.net.permissions.robots import HostFiles
from corpusloom.pipelines.net.retries import back_off, retry_after
from corpusloom.schemas import identity
from corpusloom.schemas.addresses import host_of_clean, port_of
from corpusloom.schemas.records import Signal
from corpusloom.schemas.verdicts import Dead, Rejected

Validators = Callable[[str], tuple[str | None, str | None]]
"""URL -> ETag and Last-Modified of its stored response, for a conditional request."""
SERVER_FAILURES = frozenset((500, 502, 503, 504))
"""HTTP statuses that count against the circuit breaker of a host."""


@dataclass(slots=True)
class PendingFetch:
    """A URL that is queued or being fetched, with its redirects and attempts so far."""

    url: str
    """URL as the caller gave it."""
    target: str
    """URL to request next: the cleaned URL, or the target of the last redirect."""
    domain: str = ""
    """Registered domain of `target`."""
    host: str = ""
    signals: tuple[Signal, ...] = ()
    """Opt-out signals in the files of the host."""
    hops: tuple[Response, ...] = ()
    """Responses that redirected, first to last."""
    attempt: int = 0
    seconds: float = 0.0
    """Seconds spent in exchanges so far; waiting in the queue is not counted."""


@dataclass
class Attempts:
    """Makes attempts and reports their outcomes to the queue, the circuit breaker and the outage detector.

    Args:
      fetcher: The guarded fetcher.
      kind: page or image.
      queue: The queue from which the attempts are taken.
      host_files: robots.txt, tdmrep.json and ai.txt of each origin.
      follow: Follow redirects.
      validators: ETag and Last-Modified of known responses.
    """

    fetcher: Fetcher
    kind: Literal["page", "image"]
    queue: DomainQueue[PendingFetch]
    host_files: HostFilesCache
    follow: bool = True
    validators: Validators | None = None
    _no_delay: set[str] = field(default_factory=set)
    """Domains with explicitly allowed addresses, which have no delay."""

    def __post_init__(self) -> None:
        config = self.fetcher.config
        self._breaker = CircuitBreaker(config.breaker_failures, config.breaker_seconds, config.max_fetches)
        self._outage = OutageDetector(config.stop_after)
        self._jitter = random.Random(0)  # noqa: S311 - spreads load, protects nothing

    def enqueue(self, pending: PendingFetch, target: str) -> None:
        """Add a URL to the queue of its domain; `target` is the cleaned URL to request next."""
        pending.target, pending.host = target, host_of_clean(target)
        pending.domain = domain = identity.registered_domain(pending.host)
        if self.fetcher.config.no_delay and domain not in self._no_delay and self.fetcher.is_allowed_host(target):
            self._remove_delay(domain)
        self.queue.add(domain, pending)

    async def make(self, pending: PendingFetch) -> FetchOutcome:
        """Make one attempt and return its outcome; errors of our own network raise InputError."""
        loop = asyncio.get_running_loop()
        refusal = await self._refusal(pending)
        if refusal is not None:
            return refusal
        began = loop.time()
        validators = conditional(*self.validators(pending.url)) if self.validators else NO_HEADERS
        seconds = max(self.fetcher.config.total_timeout - pending.seconds, 0.001)
        outcome = await self.fetcher.ask(pending.target, self.kind, validators, seconds=seconds)
        now = loop.time()
        pending.seconds += now - began
        self._report(pending, outcome, now)
        if pending.signals and isinstance(outcome, Response):
            return dataclasses.replace(outcome, signals=(*pending.signals, *outcome.signals))
        return outcome

    def next_target(self, pending: PendingFetch, outcome: FetchOutcome) -> str | FetchOutcome:
        """Return the URL to request next (the target of a redirect, or the same for a retry), else the outcome.

        A page that redirects to what cannot be had is itself the outcome.
        """
        if self.follow and isinstance(outcome, Response) and outcome.location is not None:
            following = next_hop((*pending.hops, outcome), self.fetcher.config.max_redirects)
            if isinstance(following, str) or outcome.refresh is None:
                pending.hops = (*pending.hops, outcome)
                return following if isinstance(following, str) else _page_before(pending, following)
        error = outcome.error if isinstance(outcome, Dead) else ""
        if isinstance(outcome, Response):
            error = f"http_{outcome.status}"
        if error not in RETRIED_ERRORS or not self._schedule_retry(pending, outcome):
            failed = not isinstance(outcome, Response) or outcome.status >= 400
            return _page_before(pending, outcome) if failed else outcome
        pending.attempt += 1
        return pending.target

    async def _refusal(self, pending: PendingFetch) -> Rejected | Dead | None:
        """Return the verdict if a URL must not be requested, else None.

        Reasons are an open circuit breaker, a spent budget, robots.txt, an opt-out, or too long a crawl delay.
        """
        loop = asyncio.get_running_loop()
        if self._breaker.refuses(pending.host, loop.time()):
            return Dead("host_unresponsive")
        if not self._breaker.spend(pending.host):
            return Rejected("host_budget", None, float(self.fetcher.config.max_fetches or 0))
        files = self.host_files.cached(pending.target) or await self.host_files.get(pending.target)
        if isinstance(files, Dead):
            self._report(pending, files, loop.time())
            return files
        return files if isinstance(files, Rejected) else self._refused_by(files, pending)

    def _refused_by(self, files: HostFiles, pending: PendingFetch) -> Rejected | None:
        config = self.fetcher.config
        if not files.robots.allows(pending.target):
            return Rejected("robots_disallowed")
        delay = files.robots.crawl_delay or 0.0
        if delay > config.max_crawl_delay:
            return Rejected("crawl_delay_too_long", delay, config.max_crawl_delay)
        if delay > 0 and pending.domain not in self._no_delay:
            self.queue.slow_down(pending.domain, delay)
        pending.signals = files.signals(pending.target)
        return opt_out(pending.signals, config.honour, self.kind) if pending.signals else None

    def _report(self, pending: PendingFetch, outcome: FetchOutcome, now: float) -> None:
        """Report the outcome of an exchange to the circuit breaker and the outage detector."""
        error = outcome.error if isinstance(outcome, Dead) else ""
        self._breaker.report(pending.host, failed=error in HOST_ERRORS or _server_failed(outcome), now=now)
        if isinstance(outcome, Response):
            self._outage.responded()
            self._remove_delay_if_allowed(pending, outcome.address)
        elif error in NETWORK_ERRORS:
            self._outage.failed(pending.host, error)

    def _remove_delay_if_allowed(self, pending: PendingFetch, address: str | None) -> None:
        if not self.fetcher.config.no_delay or pending.domain in self._no_delay or address is None:
            return
        if self.fetcher.policy.allows(address, port_of(pending.target)):
            self._remove_delay(pending.domain)

    def _remove_delay(self, domain: str) -> None:
        self._no_delay.add(domain)
        self.queue.remove_delay(domain, self.fetcher.config.slots or SLOTS_WITHOUT_DELAY)

    def _schedule_retry(self, pending: PendingFetch, outcome: FetchOutcome) -> bool:
        """Pause the domain until a retry is due and return True; return False if no retry follows."""
        wait = retry_after(outcome.header("retry-after")) if isinstance(outcome, Response) else None
        now, config = asyncio.get_running_loop().time(), self.fetcher.config
        if wait is not None and wait > config.max_retry_after:
            self._breaker.open(pending.host, now + wait)
            return False
        if pending.attempt >= config.retries or self._breaker.refuses(pending.host, now):
            return False
        self.queue.pause(pending.domain, now + (back_off(pending.attempt, self._jitter) if wait is None else wait))
        return True


def _page_before(pending: PendingFetch, outcome: FetchOutcome) -> FetchOutcome:
    """Return the page whose refresh led to a failed outcome, if one did, else the outcome."""
    page = page_before(pending.hops)
    if page is None:
        return outcome
    pending.hops = page.hops
    return page


def _server_failed(outcome: FetchOutcome) -> bool:
    """Return whether a response counts as a failure of its host; one with Retry-After does not."""
    if not isinstance(outcome, Response) or outcome.status not in SERVER_FAILURES:
        return False
    return outcome.header("retry-after") is None
