"""Progress in words: done, rate, time left, as far as each is known."""

import pytest

from corpusloom.pipelines.engine import pace
from corpusloom.pipelines.engine.pace import BYTES, Pace, time_words


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (Pace(seconds=30), "running for 30 s"),
        (Pace(seconds=30, done=0, total=100, unit="shards"), "0 of 100 shards"),
        (Pace(seconds=30, done=12, total=100, unit="shards"), "12 of 100 shards, 0.4 per second, 3 min 40 s left"),
        (Pace(seconds=10, done=60, before=50, total=100), "60 of 100, 1 per second, 40 s left"),
        (Pace(seconds=10, done=100, total=100), "100 of 100, 10 per second, 0 s left"),
        (Pace(seconds=10, done=12_345, unit="rows"), "12,345 rows so far, 1,234 per second"),
        (
            Pace(seconds=100, done=1_500_000_000, total=6_000_000_000, unit=BYTES),
            "1,500.0 of 6,000.0 MB, 15.00 MB per second, 5 min left",
        ),
        (Pace(seconds=10, done=2_500_000, unit=BYTES), "2.5 MB so far, 0.25 MB per second"),
        (Pace(seconds=10, done=3, before=5, total=9), "3 of 9"),
        (Pace(seconds=0, done=3, total=9), "3 of 9"),
    ],
)
def test_progress_is_told_as_far_as_it_is_known(now: Pace, text: str) -> None:
    assert str(now) == text


def test_more_than_the_total_leaves_no_time() -> None:
    assert Pace(seconds=1, done=12, total=10).seconds_left == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (59.4, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3_599, "59 min 59 s"), (3_600, "1 h"),
        (7_500, "2 h 5 min"), (86_400, "1 d"), (100_000, "1 d 3 h"),
    ],
)  # fmt: skip
def test_a_time_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert time_words(seconds) == words


def test_a_part_of_a_stage_tells_how_far_it_is() -> None:
    pace.forget("x")
    pace.reach("x", "a", 3)
    pace.reach("x", "a", 5)
    pace.reach("x", "b", 1)
    assert pace.reached("x") == {"a": 5, "b": 1}
    pace.forget("x")
    assert pace.reached("x") == {}
