"""Deadlines of many fetches at the same time: all are looked at together every few milliseconds, none has a timer.

Setting and cancelling a timer for every phase of every fetch costs as much as parsing its answer.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal

TICK = 0.03
"""Seconds between two looks: how late a deadline may be noticed."""
LATE = 0.25
"""Seconds by which a look may come late before the fetches are given that time."""

Phase = Literal["connect", "header", "idle", "total"]


@dataclass(slots=True, eq=False)
class Deadline:
    """The time that a fetch has left, and what it is waiting for; once that has passed its task is cancelled."""

    task: "asyncio.Task[object]"
    loop: asyncio.AbstractEventLoop
    end: float
    """Of the whole fetch."""
    at: float
    """Of the phase."""
    phase: Phase
    cancelling: int
    passed: Phase | None = None

    def enter(self, phase: Phase, seconds: float) -> None:
        """Begin a phase that may take `seconds`, within what the whole fetch has left."""
        at = self.loop.time() + seconds
        self.at, self.phase = (at, phase) if at < self.end else (self.end, "total")

    def absorb(self) -> Phase | None:
        """Return the phase that was too long, when that is why the task was cancelled; the task may then go on."""
        passed, self.passed, self.at = self.passed, None, float("inf")
        if passed is None or self.task.uncancel() > self.cancelling:
            return None
        return passed


class Deadlines:
    """The open deadlines of one loop."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Task[object], Deadline] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def begin(self, seconds: float) -> Deadline:
        """Open a deadline for the current task, which has one at a time; `close` it."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        if task is None:
            raise RuntimeError("a fetch runs inside a task")
        end = loop.time() + seconds
        deadline = self._open[task] = Deadline(task, loop, end, end, "total", task.cancelling())
        if self._timer is None:
            self._look_again(loop)
        return deadline

    def close(self, deadline: Deadline) -> None:
        """Forget a deadline."""
        self._open.pop(deadline.task, None)

    def current(self) -> Deadline | None:
        """Return the current task's deadline."""
        task = asyncio.current_task()
        return self._open.get(task) if task is not None else None

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        late = now - self._due
        if late > LATE:  # we were held up ourselves, by a slow disk: that is nobody else's fault
            for deadline in self._open.values():
                deadline.at += late
                deadline.end += late
        for deadline in [one for one in self._open.values() if one.at <= now]:
            deadline.passed, deadline.at = deadline.phase, float("inf")
            deadline.task.cancel()
        self._timer = None
        if self._open:
            self._look_again(loop)

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + TICK
        self._timer = loop.call_at(self._due, self._look, loop)
