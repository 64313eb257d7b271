"""Timeouts of concurrent fetches: one timer checks all deadlines together every 30 ms.

A timer per phase of each fetch would take as much CPU time as parsing the responses.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

TICK = 0.03
"""Seconds between two checks: a passed deadline is noticed at most this much late."""
LATE = 0.25
"""Seconds by which a check may be late before all deadlines are extended by the lost time."""

Phase = Literal["connect", "header", "idle", "total"]


@dataclass(slots=True, eq=False)
class Deadline:
    """The deadline of one fetch and of its current phase; when it passes, the task of the fetch is cancelled."""

    task: "asyncio.Task[object]"
    loop: asyncio.AbstractEventLoop
    end: float
    """Deadline of the whole fetch, in the time of `loop`."""
    at: float
    """Deadline of the current phase."""
    phase: Phase
    cancelling: int
    """Cancellation requests that the task had when the deadline began."""
    passed: Phase | None = None
    """Phase that exceeded its time."""

    def enter(self, phase: Phase, seconds: float) -> None:
        """Begin a phase that may take `seconds`, at most until the deadline of the whole fetch."""
        at = self.loop.time() + seconds
        self.at, self.phase = (at, phase) if at < self.end else (self.end, "total")

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock of the fetch while the block runs: for work of ours, on which the server has no influence."""
        began, self.at = self.loop.time(), float("inf")
        try:
            yield
        finally:
            self.end += self.loop.time() - began
            self.at, self.phase = self.end, "total"

    def absorb(self) -> Phase | None:
        """Return the phase that exceeded its time, if that cancelled the task (which may then go on), else None."""
        passed, self.passed, self.at = self.passed, None, float("inf")
        if passed is None or self.task.uncancel() > self.cancelling:
            return None
        return passed


_CURRENT: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
"""The deadline of a fetch, for its task and for the tasks that aiohttp starts in it."""


class Deadlines:
    """The open deadlines of one event loop."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Task[object], Deadline] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def begin(self, seconds: float) -> Deadline:
        """Open a deadline for the current task, which has at most one; the caller must `close` it."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        if task is None:
            raise RuntimeError("a fetch runs inside a task")
        end = loop.time() + seconds
        deadline = self._open[task] = Deadline(task, loop, end, end, "total", task.cancelling())
        _CURRENT.set(deadline)
        if self._timer is None:
            self._set_timer(loop)
        return deadline

    def close(self, deadline: Deadline) -> None:
        """Remove a deadline."""
        _CURRENT.set(None)
        self._open.pop(deadline.task, None)

    def current(self) -> Deadline | None:
        """Return the deadline of the fetch to which the current task belongs, or None."""
        return _CURRENT.get()

    def stop(self) -> None:
        """Stop checking."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        late = now - self._due
        if late > LATE:  # our own process was blocked, for example by a slow disk; this is not a server's timeout
            for deadline in self._open.values():
                deadline.at += late
                deadline.end += late
        for deadline in [one for one in self._open.values() if one.at <= now]:
            deadline.passed, deadline.at = deadline.phase, float("inf")
            deadline.task.cancel()
        self._timer = None
        if self._open:
            self._set_timer(loop)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + TICK
        self._timer = loop.call_at(self._due, self._check, loop)
