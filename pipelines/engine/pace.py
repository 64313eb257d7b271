"""How far a stage is: what is done, how fast, and the time left. A part of a stage may report from where it runs."""

from collections import defaultdict
from dataclasses import dataclass

BYTES = "bytes"
"""Unit that is shown in MB."""

_REACHED: dict[str, dict[str, int]] = defaultdict(dict)
"""Stage -> input -> how far this process has come with it."""


def reach(stage: str, item: str, amount: int) -> None:
    """Note how far this process has come with one input of a stage."""
    _REACHED[stage][item] = amount


def reached(stage: str) -> dict[str, int]:
    """Return how far this process has come with each input of a stage; nothing if its workers are other processes."""
    return dict(_REACHED[stage])


def forget(stage: str) -> None:
    """Forget how far this process has come with a stage."""
    _REACHED.pop(stage, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The progress of a stage at one time."""

    seconds: float
    """Seconds since the stage began."""
    done: int | None = None
    """Units that are finished; None if nobody counts."""
    before: int = 0
    """Units that were finished before the stage began."""
    total: int | None = None
    """Units of the whole stage; None if unknown."""
    unit: str = ""
    """Name of the units."""

    @property
    def per_second(self) -> float | None:
        """Return the units per second since the stage began; None before the first one."""
        new = (self.done or 0) - self.before
        return new / self.seconds if new > 0 and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Return the time left at this rate; None if it is unknown."""
        if self.per_second is None or self.total is None or self.done is None:
            return None
        return max(0, self.total - self.done) / self.per_second

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.share, self.rate, self.left)))

    @property
    def share(self) -> str:
        """Return what is done, such as "12 of 100 shards"; the time since the beginning if nobody counts."""
        if self.done is None:
            return f"running for {time_words(self.seconds)}"
        if self.total is None:
            return f"{self._amount(self.done)} so far"
        done = f"{self.done / 1e6:,.1f}" if self.unit == BYTES else f"{self.done:,}"
        return f"{done} of {self._amount(self.total)}"

    @property
    def rate(self) -> str:
        """Return the units per second in words; "" if unknown."""
        rate = self.per_second
        if rate is None:
            return ""
        number = f"{rate / 1e6:,.2f} MB" if self.unit == BYTES else f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        return f"{number} per second"

    @property
    def left(self) -> str:
        """Return the time left in words; "" if unknown."""
        return "" if self.seconds_left is None else f"{time_words(self.seconds_left)} left"

    def _amount(self, number: int) -> str:
        return f"{number / 1e6:,.1f} MB" if self.unit == BYTES else f"{number:,} {self.unit}".rstrip()


def time_words(seconds: float) -> str:
    """Return a time in its two largest units: 45 s, 3 min 20 s, 2 h 5 min, 1 d 3 h."""
    whole = round(seconds)
    for size, large, small_size, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small_size
            return f"{whole // size} {large}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"
