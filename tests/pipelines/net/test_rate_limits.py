"""DomainQueue, breakers and budgets under a clock that the test holds."""

import itertools
import random
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.net.rate_limits import MAX_BACK_OFF, CircuitBreaker, DomainQueue, back_off, retry_after


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 3.0)), max_size=40),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.integers(1, 4),
)
def test_every_item_starts_once_and_no_domain_is_hurried(
    items: list[tuple[str, float]], delay: float, slots: int
) -> None:
    turns: DomainQueue[tuple[int, str, float]] = DomainQueue(delay, slots)
    for number, (domain, seconds) in enumerate(items):
        turns.add(domain, (number, domain, seconds))
    now, started, ends = 0.0, [], []
    running: Counter[str] = Counter()
    for _ in range(10_000):
        while (item := turns.take(now)) is not None:
            started.append((item[1], now, item[0]))
            running[item[1]] += 1
            assert running[item[1]] <= slots
            ends.append((now + item[2], item[1]))
        moments = [end for end, _ in ends] + [at for at in [turns.next_at()] if at is not None and at > now]
        if not moments:
            break
        now = max(now, min(moments))
        for end, domain in [entry for entry in ends if entry[0] <= now]:
            ends.remove((end, domain))
            running[domain] -= 1
            turns.release(domain, now)
    assert sorted(number for _, _, number in started) == list(range(len(items)))
    for domain in "abc":
        times = [at for name, at, _ in started if name == domain]
        assert all(later - earlier >= delay - 1e-9 for earlier, later in itertools.pairwise(times))


def test_a_slow_domain_holds_nobody() -> None:
    turns: DomainQueue[str] = DomainQueue(10.0, 1)
    for item in ("a1", "a2", "b1"):
        turns.add(item[0], item)
    assert [turns.take(0), turns.take(0), turns.take(0)] == ["a1", "b1", None]


def test_one_at_a_time_the_delay_counts_from_the_end() -> None:
    turns: DomainQueue[str] = DomainQueue(1.0, 1)
    turns.add("a", "first")
    turns.add("a", "second")
    assert turns.take(0) == "first"
    turns.release("a", 5.0)
    assert turns.take(5.5) is None
    assert turns.take(6.0) == "second"


def test_a_pause_and_a_crawl_delay_hold_a_domain_back() -> None:
    turns: DomainQueue[int] = DomainQueue(0.0, 2)
    for number in range(3):
        turns.add("a", number)
    turns.pause("a", 3.0)
    assert turns.take(2.9) is None
    turns.slow_down("a", 5.0)
    assert turns.take(3.0) == 0
    assert turns.take(7.9) is None
    assert turns.take(8.0) == 1


def test_a_breaker_opens_lets_one_through_and_closes() -> None:
    hosts = CircuitBreaker(3, 60.0)
    for _ in range(3):
        assert not hosts.refuses("h", 0)
        hosts.report("h", failed=True, now=0)
    assert hosts.refuses("h", 59)
    assert not hosts.refuses("other", 59)
    assert not hosts.refuses("h", 60)
    assert hosts.refuses("h", 61)
    hosts.report("h", failed=False, now=61)
    assert not hosts.refuses("h", 61)


def test_a_host_that_asks_for_an_hour_is_shut() -> None:
    hosts = CircuitBreaker(3, 60.0)
    hosts.shut("h", 3600)
    assert hosts.refuses("h", 3599)


def test_a_budget_is_spent() -> None:
    hosts = CircuitBreaker(3, 60.0, max_fetches=2)
    assert [hosts.spend("h") for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Fri, 02 Jan 2026 00:02:00 GMT", 120.0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, float("9" * 12)),
        (None, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, datetime(2026, 1, 2, tzinfo=UTC)) == seconds


def test_back_off_doubles_with_jitter_to_a_bound() -> None:
    jitter = random.Random(1)
    waits = [back_off(attempt, jitter) for attempt in range(12)]
    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(waits[:6]))
    assert max(waits) <= 2 * MAX_BACK_OFF
