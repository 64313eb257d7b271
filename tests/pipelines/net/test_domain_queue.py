"""The queue of domains under a clock that the test sets: slots, delays, pauses, and the order of domains."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.net import domain_queue
from corpusloom.pipelines.net.domain_queue import DomainQueue


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 3.0)), max_size=40),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.integers(1, 4),
)
def test_every_item_starts_once_within_the_limits_of_its_domain(
    items: list[tuple[str, float]], delay: float, slots: int
) -> None:
    queue: DomainQueue[tuple[int, str, float]] = DomainQueue(delay, slots)
    for number, (domain, seconds) in enumerate(items):
        queue.add(domain, (number, domain, seconds))
    now, started, ends = 0.0, [], []
    running: Counter[str] = Counter()
    for _ in range(10_000):
        while (item := queue.take(now)) is not None:
            started.append((item[1], now, item[0]))
            running[item[1]] += 1
            assert running[item[1]] <= slots
            ends.append((now + item[2], item[1]))
        moments = [end for end, _ in ends] + [at for at in [queue.next_at()] if at is not None and at > now]
        if not moments:
            break
        now = max(now, min(moments))
        for end, domain in [entry for entry in ends if entry[0] <= now]:
            ends.remove((end, domain))
            running[domain] -= 1
            queue.release(domain, now)
    assert sorted(number for _, _, number in started) == list(range(len(items)))
    for domain in "abc":
        times = [at for name, at, _ in started if name == domain]
        assert all(later - earlier >= delay - 1e-9 for earlier, later in itertools.pairwise(times))


def test_a_slow_domain_does_not_delay_the_others() -> None:
    queue: DomainQueue[str] = DomainQueue(10.0, 1)
    for item in ("a1", "a2", "b1"):
        queue.add(item[0], item)
    assert [queue.take(0), queue.take(0), queue.take(0)] == ["a1", "b1", None]


def test_one_at_a_time_the_delay_counts_from_the_end() -> None:
    queue: DomainQueue[str] = DomainQueue(1.0, 1)
    queue.add("a", "first")
    queue.add("a", "second")
    assert queue.take(0) == "first"
    queue.release("a", 5.0)
    assert queue.take(5.5) is None
    assert queue.take(6.0) == "second"


def test_a_pause_and_a_crawl_delay_hold_a_domain_back() -> None:
    queue: DomainQueue[int] = DomainQueue(0.0, 2)
    for number in range(3):
        queue.add("a", number)
    queue.pause("a", 3.0)
    assert queue.take(2.9) is None
    queue.slow_down("a", 5.0)
    assert queue.take(3.0) == 0
    assert queue.take(7.9) is None
    assert queue.take(8.0) == 1


def test_the_domain_that_has_been_ready_longest_is_first() -> None:
    queue: DomainQueue[str] = DomainQueue(0.0, 1)
    queue.pause("late", 2.0)
    queue.pause("early", 1.0)
    queue.add("late", "l")
    queue.add("early", "e")
    assert queue.take(0.9) is None
    assert [queue.take(3.0), queue.take(3.0)] == ["e", "l"]


def test_the_items_of_a_domain_start_in_their_order_and_within_its_slots() -> None:
    queue: DomainQueue[int] = DomainQueue(0.0, 2)
    for number in range(3):
        queue.add("a", number)
    assert [queue.take(0), queue.take(0), queue.take(0)] == [0, 1, None]
    assert (queue.waiting, queue.running) == (1, 2)
    assert queue.next_at() is None
    queue.release("a", 1.0)
    assert queue.take(1.0) == 2


def test_with_several_slots_the_delay_counts_from_the_start() -> None:
    queue: DomainQueue[int] = DomainQueue(1.0, 2)
    queue.add("a", 0)
    queue.add("a", 1)
    assert queue.take(0.0) == 0
    queue.release("a", 0.9)
    assert queue.next_at() == 1.0
    assert queue.take(1.0) == 1


def test_a_crawl_delay_raises_the_delay_and_never_lowers_it() -> None:
    queue: DomainQueue[int] = DomainQueue(2.0, 2)
    queue.slow_down("a", 1.0)
    queue.add("a", 0)
    queue.add("a", 1)
    assert queue.take(0.0) == 0
    assert queue.take(1.9) is None
    assert queue.take(2.0) == 1


def test_a_domain_without_a_delay_uses_its_own_slots() -> None:
    queue: DomainQueue[int] = DomainQueue(5.0, 1)
    for number in range(4):
        queue.add("a", number)
    queue.remove_delay("a", 3)
    assert [queue.take(0.0) for _ in range(4)] == [0, 1, 2, None]


def test_only_idle_domains_beyond_the_limit_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_queue, "KEPT_DOMAINS", 1)
    queue: DomainQueue[int] = DomainQueue(1.0, 1)
    for domain in ("a", "b"):
        queue.add(domain, 0)
        assert queue.take(0.0) == 0
    queue.release("a", 0.0)  # its delay is not over
    queue.add("a", 1)
    assert queue.take(0.5) is None
    queue.pause("b", 0.0)
    queue.release("b", 9.0)
    queue.add("b", 1)
    assert queue.take(9.5) == 1  # of a; b keeps its delay too
    assert queue.take(9.5) is None
