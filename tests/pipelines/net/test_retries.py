"""Waits before a retry: Retry-After in seconds or as a date, else a bounded back-off with jitter."""

import random
from datetime import UTC, datetime

import pytest

from corpusloom.pipelines.net.retries import MAX_BACK_OFF, back_off, retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Fri, 02 Jan 2026 00:02:00 GMT", 120.0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, float("9" * 12)),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, datetime(2026, 1, 2, tzinfo=UTC)) == seconds


def test_back_off_doubles_with_jitter_to_a_bound() -> None:
    jitter = random.Random(1)
    waits = [back_off(attempt, jitter) for attempt in range(12)]
    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(waits[:6]))
    assert max(waits) <= 2 * MAX_BACK_OFF
