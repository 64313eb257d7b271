"""Whose turn it is: a few slots and a delay a registered domain, back-off, a circuit breaker and a budget a host.

Nothing here waits or fetches: `DomainQueue` is a plain data structure under a clock that its caller reads.
"""

import email.utils
import heapq
import itertools
import random
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_BACK_OFF = 60.0
KEPT_DOMAINS = 50_000
"""Idle domains whose delay is remembered."""


@dataclass(slots=True)
class _DomainState(Generic[T]):
    """One registered domain: what waits, what runs, when the next may start."""

    delay: float
    slots: int
    waiting: deque[T] = field(default_factory=deque)
    running: int = 0
    ready_at: float = 0.0
    queued: bool = False


@dataclass
class DomainQueue(Generic[T]):
    """Waiting items by registered domain; `take` gives those whose turn has come, the longest-ready domain first.

    Args:
      delay: Seconds between two starts of one domain, and from an end to the next start where `slots` is 1.
      slots: Items of one domain that run at the same time.
    """

    delay: float
    slots: int
    waiting: int = 0
    running: int = 0
    _domains: dict[str, _DomainState[T]] = field(default_factory=dict)
    _heap: list[tuple[float, int, str]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    def add(self, domain: str, item: T) -> None:
        """Let an item wait for its domain's turn."""
        state = self._state(domain)
        state.waiting.append(item)
        self.waiting += 1
        self._queue(domain, state)

    def take(self, now: float) -> T | None:
        """Return an item that may start now, or None; its domain holds a slot until `release`."""
        while self._heap and self._heap[0][0] <= now:
            _, _, domain = heapq.heappop(self._heap)
            state = self._domains[domain]
            state.queued = False
            if state.ready_at > now or not state.waiting or state.running >= state.slots:
                self._queue(domain, state)
                continue
            item = state.waiting.popleft()
            self.waiting -= 1
            self.running += 1
            state.running += 1
            state.ready_at = now + state.delay
            self._queue(domain, state)
            return item
        return None

    def release(self, domain: str, now: float) -> None:
        """Give an item's slot back."""
        state = self._domains[domain]
        state.running -= 1
        self.running -= 1
        if state.slots == 1:
            state.ready_at = max(state.ready_at, now + state.delay)
        if state.waiting:
            self._queue(domain, state)
        elif not state.running and len(self._domains) > KEPT_DOMAINS and state.ready_at <= now:
            del self._domains[domain]

    def next_at(self) -> float | None:
        """Return the time at which `take` may have something, or None when only a release can bring it."""
        return self._heap[0][0] if self._heap else None

    def slow_down(self, domain: str, delay: float) -> None:
        """Keep at least `delay` seconds between two starts of a domain, from now on."""
        state = self._state(domain)
        state.delay = max(state.delay, delay)

    def set_free(self, domain: str, slots: int) -> None:
        """Let a domain of one's own run without a delay."""
        state = self._state(domain)
        state.delay, state.slots = 0.0, slots
        self._queue(domain, state)

    def pause(self, domain: str, until: float) -> None:
        """Start nothing of a domain before a time."""
        state = self._state(domain)
        state.ready_at = max(state.ready_at, until)

    def _state(self, domain: str) -> _DomainState[T]:
        state = self._domains.get(domain)
        if state is None:
            state = self._domains[domain] = _DomainState(self.delay, self.slots)
        return state

    def _queue(self, domain: str, state: _DomainState[T]) -> None:
        if state.waiting and not state.queued and state.running < state.slots:
            state.queued = True
            heapq.heappush(self._heap, (state.ready_at, next(self._order), domain))


@dataclass(slots=True)
class _HostState:
    failures: int = 0
    open_until: float = 0.0
    fetches: int = 0


@dataclass
class CircuitBreaker:
    """The circuit breaker and the budget of each host.

    Args:
      breaker_failures: Failures in a row that open the breaker.
      breaker_seconds: Time after which one fetch is let through to see whether the host is back.
      max_fetches: Budget of a host; None is no limit.
    """

    breaker_failures: int
    breaker_seconds: float
    max_fetches: int | None = None
    _hosts: dict[str, _HostState] = field(default_factory=dict)

    def refuses(self, host: str, now: float) -> bool:
        """Say whether a host's breaker is open; one that was open for long enough lets one fetch through."""
        state = self._hosts.get(host)
        if state is None or state.failures < self.breaker_failures:
            return False
        if now < state.open_until:
            return True
        state.open_until = now + self.breaker_seconds
        return False

    def shut(self, host: str, until: float) -> None:
        """Open a host's breaker until a time: it asked to be left alone."""
        state = self._hosts.setdefault(host, _HostState())
        state.failures, state.open_until = max(state.failures, self.breaker_failures), until

    def spend(self, host: str) -> bool:
        """Take one fetch from a host's budget; False when it is spent."""
        if self.max_fetches is None:
            return True
        state = self._hosts.setdefault(host, _HostState())
        state.fetches += 1
        return state.fetches <= self.max_fetches

    def report(self, host: str, *, failed: bool, now: float) -> None:
        """Count a failure of a host, or forget its failures."""
        state = self._hosts.get(host)
        if state is None:
            if not failed:
                return
            state = self._hosts[host] = _HostState()
        state.failures = state.failures + 1 if failed else 0
        if state.failures == self.breaker_failures:
            state.open_until = now + self.breaker_seconds


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date), or None."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        date = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())


def back_off(attempt: int, jitter: random.Random) -> float:
    """Return the seconds before attempt 1, 2, ...: doubled each time, with up to as much again at random."""
    return float(min(MAX_BACK_OFF, 0.5 * 2**attempt) * (1 + jitter.random()))
