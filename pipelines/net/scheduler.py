"""Fetches many URLs in one asyncio loop, hosts interleaved, so that a slow host does not delay the others."""

import asyncio
import contextlib
import dataclasses
import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from corpusloom.pipelines.net.attempts import Attempts, PendingFetch, Validators
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.domain_queue import DomainQueue
from corpusloom.pipelines.net.exchange.errors import INTERNAL_ERROR, verdict_of_error
from corpusloom.pipelines.net.exchange.fetcher import Fetcher, Refuse
from corpusloom.pipelines.net.exchange.names import Resolver
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.host_files import HostFilesCache
from corpusloom.schemas.addresses import RefusedError, clean_url
from corpusloom.schemas.errors import shortage_of
from corpusloom.schemas.verdicts import Dead

MAX_WAITING = 20_000
"""URLs that wait in memory, at most; the rest stays in the iterable."""
REFILL = 500
"""URLs read from the iterable before the loop does other work."""
GC_THRESHOLDS = (10_000, 20, 20)
"""Thresholds of Python's cycle collector while URLs are fetched."""


@dataclass
class FetchScheduler:
    """Fetches URLs of one kind over many hosts, within the limits of each host and registered domain.

    Args:
      fetcher: The guarded fetcher.
      kind: page or image; decides delays, slots and caps.
      on_outcome: Called once per URL, in the order in which they end; may add further URLs.
      accept_errors: Pass responses of any status to `on_outcome`, for a WARC.
      follow: Follow redirects; every hop waits for its own domain.
      host_files: The cache of robots.txt and the like, if two schedulers are to share it.
      validators: Returns ETag and Last-Modified of a URL's stored response, for a conditional request.
    """

    fetcher: Fetcher
    kind: Literal["page", "image"]
    on_outcome: Callable[[str, FetchOutcome], None]
    accept_errors: bool = False
    follow: bool = True
    host_files: HostFilesCache | None = None
    validators: Validators | None = None
    _exhausted: bool = False
    _more: Iterator[str] = field(default_factory=lambda: iter(()))
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        config = self.fetcher.config
        # --delay 0 is for allowed addresses only: other domains keep the default delay, and `Attempts` removes it
        # from a domain once its address is known to be allowed.
        limits = dataclasses.replace(config, delay=None) if config.no_delay and not config.i_own_these_hosts else config
        self._queue: DomainQueue[PendingFetch] = DomainQueue(limits.delay_of(self.kind), limits.slots_of(self.kind))
        self._attempts = Attempts(
            self.fetcher,
            self.kind,
            self._queue,
            self.host_files or HostFilesCache(self.fetcher),
            self.follow,
            self.validators,
        )

    def add(self, url: str) -> None:
        """Queue a URL; the outcome of a malformed or refused URL is passed on at once."""
        try:
            target = clean_url(url)
            self._attempts.enqueue(PendingFetch(url, target), target)
        except (RefusedError, ValueError) as error:
            self.on_outcome(url, verdict_of_error(error))

    async def run(self, urls: Iterable[str] = ()) -> None:
        """Fetch `urls` and all added URLs to the end; an error in `on_outcome` ends the run."""
        self._loop = asyncio.get_running_loop()
        self._more, self._exhausted = iter(urls), False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._loop.set_exception_handler(self._on_loop_error)
        self._pump()
        try:
            await self._ended
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._loop.set_exception_handler(None)

    def _pump(self) -> None:
        """Read from the iterable, start what may start, and set the timer for the next start."""
        try:
            if self._ended.done():
                return
            self._refill()
            now = self._loop.time()
            while self._queue.running < self.fetcher.config.connections:
                pending = self._queue.take(now)
                if pending is None:
                    break
                self._start(pending)
        except Exception as error:
            self._end(error)
            return
        if not self._tasks and not self._queue.waiting and self._exhausted:
            self._end(None)
        else:
            self._set_timer()

    def _refill(self) -> None:
        for _ in range(REFILL):
            if self._exhausted or self._queue.waiting >= MAX_WAITING:
                return
            url = next(self._more, None)
            if url is None:
                self._exhausted = True
            else:
                self.add(url)
        self._loop.call_soon(self._pump)  # the loop serves the running fetches before it reads more

    def _start(self, pending: PendingFetch) -> None:
        task = self._loop.create_task(self._fetch(pending))
        self._tasks.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()  # asyncio logs an exception that nobody retrieves
        if task.cancelled() or self._ended.done():
            return
        if error is not None:
            self._end(error)
        else:
            self._pump()

    def _set_timer(self) -> None:
        at = self._queue.next_at()
        if at is None or self._queue.running >= self.fetcher.config.connections:
            return  # the next fetch that ends calls `_pump`
        if self._timer is not None and not self._timer.cancelled() and self._timer.when() <= at:
            return  # the timer fires earlier and is then set again
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._pump()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End the run if the loop itself lacks memory or descriptors, which asyncio only logs as a lost connection."""
        error = context.get("exception")
        shortage = shortage_of(error) if error is not None else None
        if shortage is None:
            loop.default_exception_handler(context)
        else:
            self._end(shortage)

    def _end(self, error: BaseException | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None) if error is None else self._ended.set_exception(error)

    async def _fetch(self, pending: PendingFetch) -> None:
        """Make one attempt; pass the outcome on, or queue the URL again for a redirect or a retry.

        An error inside the attempt is the outcome of its URL. Only errors that concern all URLs end the run: those of
        `on_outcome`, a shortage of this machine and an outage of our network.
        """
        try:
            outcome = await self._attempt(pending)
        except asyncio.CancelledError:
            if self._ended.done():
                raise
            outcome = Dead(INTERNAL_ERROR, "cancelled")
        except Exception as error:
            outcome = verdict_of_error(error)
        if outcome is not None:
            self.on_outcome(pending.url, outcome)

    async def _attempt(self, pending: PendingFetch) -> FetchOutcome | None:
        """Make one attempt; return the outcome of the URL, or None if the URL is queued again."""
        domain = pending.domain
        try:
            outcome = await self._attempts.make(pending)
        finally:
            self._queue.release(domain, self._loop.time())
        following = self._attempts.next_target(pending, outcome)
        if isinstance(following, str):
            self._attempts.enqueue(pending, following)
            return None
        if isinstance(following, Response):
            following = self.fetcher.judge(following, self.kind, accept_errors=self.accept_errors)
        if isinstance(following, Response) and following.url != pending.url:
            following = dataclasses.replace(following, url=pending.url, hops=pending.hops)
        return following


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
    """Fetch all URLs in an event loop of its own; call `on_outcome` exactly once per URL, as they finish.

    `refuse` is called for each URL and redirect target before a connection is made. At most `MAX_WAITING` URLs are in
    memory. Raises InputError if our own network is down.
    """

    async def fetch_them() -> None:
        async with Fetcher(config, resolver, refuse=refuse, evidence=False) as fetcher:
            await FetchScheduler(fetcher, kind, on_outcome, validators=validators).run(urls)

    with _relaxed_gc():
        asyncio.run(fetch_them())


@contextlib.contextmanager
def _relaxed_gc() -> Iterator[None]:
    """Run Python's cycle collector less often: a fetch allocates many objects but hardly any cycles."""
    before = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
