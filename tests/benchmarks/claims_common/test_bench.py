"""The clock of a benchmark starts when it is made."""

from pathlib import Path

import pytest

from benchmarks.claims_common import bench
from benchmarks.claims_common.bench import ClaimsBench


def test_seconds_are_left_until_the_minutes_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(bench.time, "monotonic", lambda: now)
    made = ClaimsBench(seeds=2, minutes=2, processes=1, out=Path("x"))
    assert made.folder == Path("x/runs")
    assert made.seconds_left == 120
    now = 230.0
    assert made.seconds_left == -10
