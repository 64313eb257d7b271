"""Timeouts: the phase that took too long is named, cancellation is not a timeout, pauses of our own do not count."""

import asyncio
import time

import pytest

from corpusloom.pipelines.net.exchange.timeouts import Deadlines, Phase


async def wait(deadlines: Deadlines, phase: Phase, seconds: float, total: float = 5.0) -> str | None:
    """Wait without end under a deadline; return the phase that timed out."""
    deadline = deadlines.begin(total)
    deadline.enter(phase, seconds)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        passed = deadline.absorb()
        if passed is None:
            raise
        return passed
    finally:
        deadlines.close(deadline)
    return None


def test_each_fetch_has_its_own() -> None:
    async def run() -> list[str | None]:
        deadlines = Deadlines()
        waits = (wait(deadlines, "connect", 0.05), wait(deadlines, "header", 0.1), wait(deadlines, "idle", 9, 0.1))
        return await asyncio.gather(*waits)

    assert asyncio.run(run()) == ["connect", "header", "total"]


def test_an_interrupt_from_outside_is_not_taken_for_a_deadline() -> None:
    async def run() -> None:
        task = asyncio.create_task(wait(Deadlines(), "idle", 9))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


def test_time_in_which_our_own_process_was_blocked_is_given_back() -> None:
    async def run() -> tuple[str | None, float]:
        deadlines, start = Deadlines(), time.monotonic()
        task = asyncio.create_task(wait(deadlines, "header", 0.5))
        await asyncio.sleep(0.1)
        time.sleep(1.0)
        passed = await task
        return passed, time.monotonic() - start

    passed, seconds = asyncio.run(run())
    assert passed == "header"
    assert seconds > 1.3


def test_a_pause_is_not_counted_and_the_rest_of_the_time_is_the_same() -> None:
    async def run() -> tuple[str | None, float, float]:
        deadlines = Deadlines()
        deadline = deadlines.begin(0.3)
        deadline.enter("idle", 0.1)
        start = deadline.loop.time()
        try:
            with deadline.paused():
                await asyncio.sleep(0.5)
            paused = deadline.loop.time() - start
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return deadline.absorb(), paused, deadline.loop.time() - start
        finally:
            deadlines.close(deadline)
        return None, 0.0, 0.0

    passed, paused, seconds = asyncio.run(run())
    assert passed == "total"
    assert paused >= 0.5
    assert 0.75 < seconds < 2
