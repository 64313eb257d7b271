"""A queue with limits per registered domain: slots, a delay between starts, and pauses.

The queue neither waits nor fetches: its caller passes the time, so tests need not sleep.
"""

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT_DOMAINS = 50_000
"""Idle domains whose last start and delay are remembered."""


@dataclass(slots=True)
class _DomainState(Generic[T]):
    """The waiting items of one registered domain, the number of running ones, and the time of the next start."""

    delay: float
    slots: int
    waiting: deque[T] = field(default_factory=deque)
    running: int = 0
    ready_at: float = 0.0
    queued: bool = False


@dataclass
class DomainQueue(Generic[T]):
    """Items that wait, by registered domain; `take` returns those that may start, longest-ready domain first.

    Args:
      delay: Seconds between two starts of one domain; if `slots` is 1 also from an end to the next start.
      slots: Items of one domain that may run at the same time.
    """

    delay: float
    slots: int
    waiting: int = 0
    """Items that wait, over all domains."""
    running: int = 0
    """Items that run, over all domains."""
    _domains: dict[str, _DomainState[T]] = field(default_factory=dict)
    _heap: list[tuple[float, int, str]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    def add(self, domain: str, item: T) -> None:
        """Append an item to the queue of its domain."""
        state = self._state(domain)
        state.waiting.append(item)
        self.waiting += 1
        self._queue(domain, state)

    def take(self, now: float) -> T | None:
        """Return an item that may start now, or None; the item occupies a slot of its domain until `release`."""
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
        """Free the slot of an item that ended."""
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
        """Return the earliest time at which `take` may return an item; None if it must wait for a `release`."""
        return self._heap[0][0] if self._heap else None

    def slow_down(self, domain: str, delay: float) -> None:
        """Raise the delay of a domain to at least `delay` seconds."""
        state = self._state(domain)
        state.delay = max(state.delay, delay)

    def remove_delay(self, domain: str, slots: int) -> None:
        """Drop the delay of a domain and give it `slots` slots."""
        state = self._state(domain)
        state.delay, state.slots = 0.0, slots
        self._queue(domain, state)

    def pause(self, domain: str, until: float) -> None:
        """Start no item of a domain before the time `until`."""
        state = self._state(domain)
        state.ready_at = max(state.ready_at, until)

    def _state(self, domain: str) -> _DomainState[T]:
        state = self._domains.get(domain)
        if state is None:
            state = self._domains[domain] = _DomainState(self.delay, self.slots)
        return state

    def _queue(self, domain: str, state: _DomainState[T]) -> None:
        """Push a domain onto the heap unless it is there, has no item, or has no free slot."""
        if state.waiting and not state.queued and state.running < state.slots:
            state.queued = True
            heapq.heappush(self._heap, (state.ready_at, next(self._order), domain))
