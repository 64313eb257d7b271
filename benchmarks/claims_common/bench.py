"""Folder, seeds and clock that every benchmark of claims has."""

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(kw_only=True)
class ClaimsBench:
    """Size and place of a benchmark; its clock starts when it is made."""

    seeds: int
    minutes: float
    processes: int
    out: Path

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + 60 * self.minutes

    @property
    def folder(self) -> Path:
        """Folder of the runs."""
        return self.out / "runs"

    @property
    def seconds_left(self) -> float:
        """Seconds until training stops."""
        return self.deadline - time.monotonic()
