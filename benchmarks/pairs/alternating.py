"""Times several sides in turns, so that a machine whose speed changes is as fast for one as for the other."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seconds:
    """Medians over rounds, in seconds."""

    cpu: float
    """CPU time of this process."""
    wall: float


def alternate(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Seconds]:
    """Run every side once per round, after one run that is not timed; return side -> its medians."""
    for run in sides.values():
        run()
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    wall: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            start, started = time.process_time(), time.perf_counter()
            run()
            cpu[name].append(time.process_time() - start)
            wall[name].append(time.perf_counter() - started)
    return {name: Seconds(statistics.median(cpu[name]), statistics.median(wall[name])) for name in sides}
