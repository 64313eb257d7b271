"""Waits before a retry: Retry-After in seconds or as a date, else a bounded back-off with jitter."""

import random
from datetime import UTC, datetime

import pytest

from corpusloom.pipelines.net.retries import MAX_BACK_OFF, MAX_SECONDS, back_off, retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Fri, 02 Jan 2026 00:02:00 GMT", 120.0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, MAX_SECONDS),
        ("9" * 5_000, MAX_SECONDS),
        ("000000000000000000007", 7.0),
        ("0" * 500, 0.0),
        ("99999999999", 99_999_999_999.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_SECONDS),
        ("Fri, 02 Jan 2026 00:02:00 -0100", 3_720.0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_SECONDS),
        ("Fri, 31 Dec 0001 00:00:00 +2359", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Fri, 02 Jan 99999999999999999999 00:02:00 GMT", None),
        ("Fri, 02 Jan 10000 00:02:00 GMT", None),
        ("Fri, 02 Jan 2026 00:02:00 +99999999999999999999", None),
        ("Fri, 02 Jan 2026 00:02:00 -99999999999999", None),
        ("Fri, 99999999999999999999 Jan 2026 00:02:00 GMT", None),
        ("Fri, 02 Jan 2026 99999999999999999999:02:00 GMT", None),
        ("Fri, 02 Jan " + "9" * 5_000 + " 00:02:00 GMT", None),
        ("1e400", None),
        ("nan", None),
        ("\u0661\u0662", None),
        ("", None),
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
