"""Attempts: redirects and retries, Retry-After, the breaker's and the budget's refusals, permission by host files."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest

from corpusloom.pipelines.net.attempts import Attempts, PendingFetch
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.domain_queue import DomainQueue
from corpusloom.pipelines.net.exchange.fetcher import Fetcher
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.host_files import HostFilesCache
from corpusloom.schemas.verdicts import Dead, Rejected
from tests.pipelines.net.exchange.raw_server import serve
from tests.pipelines.net.exchange.responses import make_response

T = TypeVar("T")
URL = "http://a.example/x"
ROBOTS = b"User-agent: *\nDisallow: /closed\nCrawl-delay: 2"


Queue = DomainQueue[PendingFetch]


def inside_loop(
    use: Callable[[Attempts, PendingFetch], T], follow: bool = True, **changes: object
) -> tuple[T, Queue, PendingFetch, float]:
    """Call `use` in an event loop with one pending fetch of URL; return its result, the queue, the fetch, the time."""

    async def run() -> tuple[T, Queue, PendingFetch, float]:
        fetcher = Fetcher(FetchConfig(contact="t@example.org", **changes))  # type: ignore[arg-type]
        queue: Queue = DomainQueue(0.0, 1)
        attempts = Attempts(fetcher, "page", queue, HostFilesCache(fetcher), follow)
        pending = PendingFetch(URL, URL, "a.example", "a.example")
        return use(attempts, pending), queue, pending, asyncio.get_running_loop().time()

    return asyncio.run(run())


def test_a_redirect_leads_to_its_target_and_is_kept_as_a_hop() -> None:
    redirect = make_response(URL, 302, Location="/y")
    target, _, pending, _ = inside_loop(lambda attempts, pending: attempts.next_target(pending, redirect))
    assert target == "http://a.example/y"
    assert pending.hops == (redirect,)
    same, _, pending, _ = inside_loop(lambda attempts, pending: attempts.next_target(pending, redirect), follow=False)
    assert same is redirect
    assert pending.hops == ()


@pytest.mark.parametrize(
    "outcome",
    [Dead("disconnected"), Dead("body_cut_off"), *(make_response(URL, status) for status in (429, 502, 503, 504))],
)
def test_a_brief_failure_is_tried_again_after_a_pause(outcome: FetchOutcome) -> None:
    target, queue, pending, now = inside_loop(lambda attempts, pending: attempts.next_target(pending, outcome))
    assert (target, pending.attempt) == (URL, 1)
    queue.add("a.example", pending)
    assert queue.take(now + 0.4) is None
    assert queue.take(now + 1.1) is pending


@pytest.mark.parametrize(
    "outcome",
    [Dead("timeout_idle"), Dead("dns_failed"), Rejected("http_404"), *(make_response(URL, s) for s in (200, 404, 500))],
)
def test_other_outcomes_are_final(outcome: FetchOutcome) -> None:
    assert inside_loop(lambda attempts, pending: attempts.next_target(pending, outcome))[0] is outcome


def test_retries_are_counted() -> None:
    def use(attempts: Attempts, pending: PendingFetch) -> list[object]:
        return [attempts.next_target(pending, Dead("disconnected")) for _ in range(4)]

    dead = Dead("disconnected")
    assert inside_loop(use, retries=2)[0] == [URL, URL, dead, dead]
    assert inside_loop(use, retries=0)[0] == [dead] * 4


def test_retry_after_sets_the_pause() -> None:
    busy = make_response(URL, 503, Retry_After="7")
    target, queue, pending, now = inside_loop(lambda attempts, pending: attempts.next_target(pending, busy))
    assert target == URL
    queue.add("a.example", pending)
    assert queue.take(now + 6.9) is None
    assert queue.take(now + 7.1) is pending


@pytest.mark.parametrize(("seconds", "retried"), [("120", True), ("121", False)])
def test_too_long_a_retry_after_opens_the_breaker(seconds: str, retried: bool) -> None:
    busy = make_response(URL, 503, Retry_After=seconds)

    async def run() -> tuple[object, FetchOutcome]:
        async with Fetcher(FetchConfig(contact="t@example.org", robots_txt=False, honour=())) as fetcher:
            attempts = Attempts(fetcher, "page", DomainQueue(0.0, 1), HostFilesCache(fetcher))
            pending = PendingFetch("http://10.0.0.1/", "http://10.0.0.1/", "10.0.0.1", "10.0.0.1")
            return attempts.next_target(pending, busy), await attempts.make(pending)

    target, outcome = asyncio.run(run())
    assert (isinstance(target, str), outcome) == (
        retried,
        Rejected("address_not_public") if retried else Dead("host_unresponsive"),
    )


def make(pieces: bytes, path: str, **changes: object) -> tuple[list[FetchOutcome], Queue, PendingFetch]:
    """Make two attempts at a URL of a server that sends `pieces` to every request."""
    size = f"HTTP/1.1 200 OK\r\nContent-Length: {len(pieces)}\r\nConnection: close\r\n\r\n".encode()
    with serve(size + pieces) as (url, config):
        values = {"allow_addresses": config.allow_addresses, "contact": "t@example.org", "honour": (), **changes}

        async def run() -> tuple[list[FetchOutcome], Queue, PendingFetch]:
            async with Fetcher(FetchConfig(**values)) as fetcher:  # type: ignore[arg-type]
                queue: Queue = DomainQueue(0.0, 1)
                attempts = Attempts(fetcher, "page", queue, HostFilesCache(fetcher))
                target = url.replace("/a?b=c", path)
                pending = PendingFetch(target, target)
                attempts.enqueue(pending, target)
                outcomes = [await attempts.make(pending), await attempts.make(pending)]
                return outcomes, queue, pending

        return asyncio.run(run())


def test_robots_txt_decides_and_its_crawl_delay_slows_the_domain_down() -> None:
    outcomes, queue, pending = make(ROBOTS, "/open")
    assert [type(outcome) for outcome in outcomes] == [Response, Response]
    assert pending.seconds > 0
    queue.add(pending.domain, pending)
    assert queue.take(0.0) is pending
    queue.release(pending.domain, 0.0)
    assert queue.take(1.9) is None
    assert queue.take(2.0) is pending
    assert make(ROBOTS, "/closed")[0] == [Rejected("robots_disallowed")] * 2


def test_a_crawl_delay_beyond_the_limit_is_a_rejection() -> None:
    assert make(ROBOTS, "/open", max_crawl_delay=1.5)[0] == [Rejected("crawl_delay_too_long", 2.0, 1.5)] * 2
    assert isinstance(make(ROBOTS, "/open", max_crawl_delay=2.0)[0][0], Response)


@pytest.mark.parametrize("delay", [b"nan", b"-5", b"1e400x", b"1" * 500])
def test_a_crawl_delay_that_is_no_number_of_seconds_delays_nothing(delay: bytes) -> None:
    outcomes, queue, pending = make(b"User-agent: *\nCrawl-delay: " + delay, "/open")
    if outcomes[0] == Rejected("crawl_delay_too_long", float("inf"), 30.0):
        assert delay == b"1" * 500
        return
    assert [type(outcome) for outcome in outcomes] == [Response, Response]
    for _ in range(2):
        queue.add(pending.domain, pending)
    assert queue.take(0.0) is pending
    queue.release(pending.domain, 0.0)
    assert queue.take(0.0) is pending


def test_a_budget_is_spent_per_attempt() -> None:
    outcomes = make(ROBOTS, "/open", max_fetches=1)[0]
    assert isinstance(outcomes[0], Response)
    assert outcomes[1] == Rejected("host_budget", None, 1.0)


def test_with_a_delay_of_0_an_allowed_domain_ignores_crawl_delay() -> None:
    _, queue, pending = make(ROBOTS, "/open", delay=0)
    for _ in range(3):
        queue.add(pending.domain, pending)
    assert [queue.take(0.0) for _ in range(4)] == [pending] * 4
