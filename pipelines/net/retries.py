"""Computes the wait before a retry: the server's Retry-After, else exponential back-off with jitter."""

import email.utils
import random
from datetime import UTC, datetime

MAX_SECONDS = 1e11
"""Seconds of a Retry-After, at most: 3,000 years."""
MAX_BACK_OFF = 60.0
"""Seconds of back-off, at most; jitter may double it."""


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date), or None.

    A number of any length counts, up to MAX_SECONDS; a date that Python cannot represent is ignored.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0") or "0"
        return float(digits) if len(digits) < 12 else MAX_SECONDS
    try:
        date = email.utils.parsedate_to_datetime(text)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return min(MAX_SECONDS, max(0.0, (date - (now or datetime.now(UTC))).total_seconds()))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def back_off(attempt: int, jitter: random.Random) -> float:
    """Return the seconds before retry `attempt` (0, 1, ...): 0.5 s, doubled per retry, times a random 1 to 2."""
    return float(min(MAX_BACK_OFF, 0.5 * 2**attempt) * (1 + jitter.random()))
