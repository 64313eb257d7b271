"""Many URLs at once: one asyncio loop that interleaves hosts, so that a slow one never holds the rest."""

import asyncio
import contextlib
import dataclasses
import gc
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from corpusloom.pipelines.net.config import FREE_SLOTS, FetchConfig
from corpusloom.pipelines.net.exchange.errors import BRIEF, HOST, NETWORK
from corpusloom.pipelines.net.exchange.fetcher import NO_HEADERS, Fetcher, Refuse, conditional, next_hop
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.exchange.session import Resolver
from corpusloom.pipelines.net.host_files import HostFilesCache
from corpusloom.pipelines.net.permissions.opt_outs import opt_out
from corpusloom.pipelines.net.permissions.robots import HostFiles
from corpusloom.pipelines.net.rate_limits import CircuitBreaker, DomainQueue, back_off, retry_after
from corpusloom.schemas import identity
from corpusloom.schemas.addresses import RefusedError, clean_url, host_of_clean, port_of
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.records import Signal
from corpusloom.schemas.verdicts import Dead, Rejected

MAX_WAITING = 20_000
"""URLs that are held in memory; the rest stays in the iterable."""
REFILL = 500
"""URLs that are read on end before the loop does other work."""
COLLECTOR = (10_000, 20, 20)
"""Thresholds of the cycle collector while many URLs are fetched."""
FEW_HOSTS = 20
"""Failures over fewer hosts than this say nothing about our own network."""
Validators = Callable[[str], tuple[str | None, str | None]]
SERVER_FAILURES = frozenset((500, 502, 503, 504))
"""Statuses that count against a host's circuit breaker."""


@dataclass(slots=True)
class PendingFetch:
    """A URL under way: the one that was asked for, the one that redirects led to, what it cost so far."""

    url: str
    target: str
    domain: str
    host: str
    signals: tuple[Signal, ...] = ()
    """Of the files of its host."""
    hops: tuple[Response, ...] = ()
    attempt: int = 0
    seconds: float = 0.0


@dataclass
class FetchScheduler:
    """Fetches of one kind over many hosts, each host asked as politely as it wishes.

    Args:
      fetcher: The guarded fetcher.
      kind: page or image; decides delays, slots and caps.
      on_outcome: Called once a URL, in the order in which they end; may add further URLs.
      accept_errors: Hand over answers of any status as Response: a WARC keeps them.
      follow: Follow redirects, each hop as a fetch in its own domain's turn.
      wishes: The hosts' files, when two crowds are to share them.
      validators: Gives ETag and Last-Modified of what is known of a URL: its answer may be 304.
    """

    fetcher: Fetcher
    kind: Literal["page", "image"]
    on_outcome: Callable[[str, FetchOutcome], None]
    accept_errors: bool = False
    follow: bool = True
    wishes: HostFilesCache | None = None
    validators: Validators | None = None
    _free: set[str] = field(default_factory=set)
    _exhausted: bool = False
    _more: Iterator[str] = field(default_factory=lambda: iter(()))
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None
    _down: set[str] = field(default_factory=set)
    _down_count: int = 0

    def __post_init__(self) -> None:
        config = self.fetcher.config
        # Without a delay only what was allowed is fetched: the domains that are turn out one by one (`_set_free`).
        polite = dataclasses.replace(config, delay=None) if config.free and not config.i_own_these_hosts else config
        self._turns: DomainQueue[PendingFetch] = DomainQueue(polite.delay_of(self.kind), polite.slots_of(self.kind))
        self._hosts = CircuitBreaker(config.breaker_failures, config.breaker_seconds, config.max_fetches)
        self.wishes = self.wishes or HostFilesCache(self.fetcher)
        self._jitter = random.Random(0)  # noqa: S311 - spreads load, guards nothing

    def add(self, url: str) -> None:
        """Let a URL wait for its turn; one that is no URL, or may not be asked, ends at once."""
        try:
            target = clean_url(url)
        except RefusedError as error:
            self.on_outcome(url, Rejected(error.reason))
            return
        self._wait(PendingFetch(url, target, "", ""), target)

    def _wait(self, item: PendingFetch, target: str) -> None:
        item.target, item.host = target, host_of_clean(target)
        item.domain = identity.registered_domain(item.host)
        if self.fetcher.config.free and item.domain not in self._free and self.fetcher.is_allowed_host(target):
            self._set_free(item.domain)
        self._turns.add(item.domain, item)

    def _set_free(self, domain: str) -> None:
        """Drop the delay of a domain whose addresses were allowed explicitly."""
        self._free.add(domain)
        self._turns.set_free(domain, self.fetcher.config.slots or FREE_SLOTS)

    async def run(self, urls: Iterable[str] = ()) -> None:
        """Fetch until nothing waits, nothing runs and `urls` is at its end; an error of `on_outcome` ends it."""
        self._loop = asyncio.get_running_loop()
        self._more, self._exhausted = iter(urls), False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._pump()
        try:
            await self._ended
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _pump(self) -> None:
        """Read on in the iterable, start what may start, and see when to look again."""
        try:
            if self._ended.done():
                return
            self._refill()
            now = self._loop.time()
            while self._turns.running < self.fetcher.config.connections:
                item = self._turns.take(now)
                if item is None:
                    break
                self._start(item)
        except Exception as error:
            self._end(error)
            return
        if not self._tasks and not self._turns.waiting and self._exhausted:
            self._end(None)
        else:
            self._look_again()

    def _refill(self) -> None:
        for _ in range(REFILL):
            if self._exhausted or self._turns.waiting >= MAX_WAITING:
                return
            url = next(self._more, None)
            if url is None:
                self._exhausted = True
            else:
                self.add(url)
        self._loop.call_soon(self._pump)  # between two helpings the loop serves what is in flight

    def _start(self, item: PendingFetch) -> None:
        task = self._loop.create_task(self._fetch(item))
        self._tasks.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()  # one that nobody asks for would reach the terminal
        if task.cancelled() or self._ended.done():
            return
        if error is not None:
            self._end(error)
        else:
            self._pump()

    def _look_again(self) -> None:
        at = self._turns.next_at()
        if at is None or self._turns.running >= self.fetcher.config.connections:
            return  # a fetch that ends will look again
        if self._timer is not None and not self._timer.cancelled() and self._timer.when() <= at:
            return  # it will look early, and then again
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._pump()

    def _end(self, error: BaseException | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None) if error is None else self._ended.set_exception(error)

    async def _fetch(self, item: PendingFetch) -> None:
        """Fetch one URL, or one hop or attempt of it; hand its outcome over, or let it wait again."""
        domain = item.domain
        try:
            outcome = await self._ask(item)
        finally:
            self._turns.release(domain, self._loop.time())
        following = self._following(item, outcome)
        if isinstance(following, str):
            self._wait(item, following)
            return
        if isinstance(following, Response):
            following = self.fetcher.judge(following, self.kind, accept_errors=self.accept_errors)
        if isinstance(following, Response) and following.url != item.url:
            following = dataclasses.replace(following, url=item.url, hops=item.hops)
        self.on_outcome(item.url, following)

    async def _ask(self, item: PendingFetch) -> FetchOutcome:
        refused = await self._refusal(item, self._loop.time())
        if refused is not None:
            return refused
        began = self._loop.time()
        validators = conditional(*self.validators(item.url)) if self.validators else NO_HEADERS
        seconds = max(self.fetcher.config.total_timeout - item.seconds, 0.001)
        outcome = await self.fetcher.ask(item.target, self.kind, validators, seconds=seconds)
        now = self._loop.time()
        item.seconds += now - began
        self._note(item, outcome, now)
        if item.signals and isinstance(outcome, Response):
            return dataclasses.replace(outcome, signals=(*item.signals, *outcome.signals))
        return outcome

    async def _refusal(self, item: PendingFetch, now: float) -> Rejected | Dead | None:
        """Return why a URL is not asked for: breaker, budget, robots.txt, a signal, a delay beyond reason."""
        if self._hosts.refuses(item.host, now):
            return Dead("host_unresponsive")
        if not self._hosts.spend(item.host):
            return Rejected("host_budget", None, float(self.fetcher.config.max_fetches or 0))
        wishes = await self._wishes_of(item.target)
        if isinstance(wishes, Dead):
            self._note(item, wishes, self._loop.time())
            return wishes
        return wishes if isinstance(wishes, Rejected) else self._refused_by(wishes, item)

    async def _wishes_of(self, url: str) -> HostFiles | Rejected | Dead:
        assert self.wishes is not None
        return self.wishes.known(url) or await self.wishes.of(url)

    def _refused_by(self, wishes: HostFiles, item: PendingFetch) -> Rejected | None:
        config = self.fetcher.config
        if not wishes.robots.allows(item.target):
            return Rejected("robots_disallowed")
        delay = wishes.robots.crawl_delay
        if delay is not None and delay > config.max_crawl_delay:
            return Rejected("crawl_delay_too_long", delay, config.max_crawl_delay)
        if delay is not None and item.domain not in self._free:
            self._turns.slow_down(item.domain, delay)
        item.signals = wishes.signals(item.target)
        return opt_out(item.signals, config.honour, self.kind) if item.signals else None

    def _note(self, item: PendingFetch, outcome: FetchOutcome, now: float) -> None:
        """Tell the breaker how a fetch went, and stop the run when it is our own network that is down."""
        error = outcome.error if isinstance(outcome, Dead) else ""
        self._hosts.report(item.host, failed=error in HOST or _server_failed(outcome), now=now)
        if isinstance(outcome, Response):
            self._down_count = 0
            self._down.clear()
            self._free_if_allowed(item, outcome.address)
        elif error in NETWORK:
            self._count_down(item.host, error)

    def _free_if_allowed(self, item: PendingFetch, address: str | None) -> None:
        if not self.fetcher.config.free or item.domain in self._free or address is None:
            return
        if self.fetcher.policy.allows(address, port_of(item.target)):
            self._set_free(item.domain)

    def _count_down(self, host: str, error: str) -> None:
        self._down_count += 1
        if len(self._down) < FEW_HOSTS:
            self._down.add(host)
        elif self._down_count >= self.fetcher.config.stop_after:
            raise InputError(
                f"{self._down_count} fetches in a row ended with {error}",
                where="network",
                remedy="check the connection and the resolver, run again for the rest and with --retry dead for these",
            )

    def _following(self, item: PendingFetch, outcome: FetchOutcome) -> str | FetchOutcome:
        """Return the URL to ask next (a redirect's target, or the same after a brief failure), else the outcome."""
        if self.follow and isinstance(outcome, Response) and outcome.location is not None:
            item.hops = (*item.hops, outcome)
            return next_hop(item.hops, self.fetcher.config.max_redirects)
        brief = outcome.error if isinstance(outcome, Dead) else ""
        if isinstance(outcome, Response):
            brief = f"http_{outcome.status}"
        if brief not in BRIEF or not self._may_try_again(item, outcome):
            return outcome
        item.attempt += 1
        return item.target

    def _may_try_again(self, item: PendingFetch, outcome: FetchOutcome) -> bool:
        """Let a domain rest before another attempt; False when there is to be none."""
        wait = retry_after(outcome.header("retry-after")) if isinstance(outcome, Response) else None
        now, config = self._loop.time(), self.fetcher.config
        if wait is not None and wait > config.max_retry_after:
            self._hosts.shut(item.host, now + wait)
            return False
        if item.attempt >= config.retries or self._hosts.refuses(item.host, now):
            return False
        self._turns.pause(item.domain, now + (back_off(item.attempt, self._jitter) if wait is None else wait))
        return True


def _server_failed(outcome: FetchOutcome) -> bool:
    """Say whether an answer is a failure of its host; one that says when to come back is none."""
    if not isinstance(outcome, Response) or outcome.status not in SERVER_FAILURES:
        return False
    return outcome.header("retry-after") is None


def fetch_all(
    urls: Iterable[str],
    config: FetchConfig,
    *,
    kind: Literal["page", "image"],
    on_outcome: Callable[[str, FetchOutcome], None],
    resolver: Resolver | None = None,
    validators: Validators | None = None,
    refuse: Refuse | None = None,
) -> None:
    """Fetch every URL and hand each outcome over as it comes. Runs its own loop; holds few URLs at a time.

    `refuse` is asked of every URL and every redirect's target, before a connection is made.

    Each URL ends exactly once: redirects, retries and waiting for its host's turn have a deadline of their own.
    Raises InputError when it is our own network that fails.
    """

    async def fetch_them() -> None:
        async with Fetcher(config, resolver, refuse=refuse, evidence=False) as fetcher:
            await FetchScheduler(fetcher, kind, on_outcome, validators=validators).run(urls)

    with _calm_collector():
        asyncio.run(fetch_them())


@contextlib.contextmanager
def _calm_collector() -> Iterator[None]:
    """Let Python's cycle collector look less often for a while: a fetch makes many objects and hardly a cycle."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTOR)
    try:
        yield
    finally:
        gc.set_threshold(*before)
