"""The outcome of a fetch: a Response with everything that a WARC needs, or a verdict."""

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias

from corpusloom.schemas.records import Signal
from corpusloom.schemas.verdicts import Dead, Rejected

REDIRECT_STATUSES = frozenset((301, 302, 303, 307, 308))
_RANGE = re.compile(r"bytes\s+0-(\d{1,18})/(\d{1,18})", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP response with its request."""

    url: str
    """URL as the caller gave it."""
    final_url: str
    """URL that responded, after redirects."""
    status: int
    request: bytes
    """Request line and headers as sent, ending in a blank line; empty if no evidence is kept."""
    response_head: bytes
    """Status line and headers as received, ending in a blank line; empty if no evidence is kept."""
    wire_body: bytes
    """Body without its transfer coding, with its content coding."""
    body: bytes
    """Body without its content coding."""
    headers: tuple[tuple[str, str], ...]
    refresh: str | None = None
    """URL to which a page redirects by a meta element or a Refresh header."""
    hops: tuple["Response", ...] = ()
    """Responses that redirected to this one, first to last."""
    address: str | None = None
    """IP address of the server."""
    truncated: str | None = None
    """length, time or disconnect if `wire_body` is incomplete (WARC-Truncated)."""
    fetched_at: str
    """Arrival of the response's headers: RFC 3339, UTC."""
    signals: tuple[Signal, ...] = ()
    """Opt-out signals of the headers and of the host's files."""

    def header(self, name: str) -> str | None:
        """Return the first value of a header, given its name in lower case, or None."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def location(self) -> str | None:
        """The Location header of a redirect, or the target of a page that redirects; None for other responses."""
        return self.header("location") if self.status in REDIRECT_STATUSES else self.refresh


def is_success(status: int) -> bool:
    """Return whether the body of a response begins as its resource does: a status of 200 to 299, except 206."""
    return 200 <= status < 300 and status != 206


def is_partial(status: int, content_range: str | None) -> bool:
    """Return whether a response holds a part of its resource: a 206 whose Content-Range does not span all bytes."""
    span = _RANGE.fullmatch((content_range or "").strip())
    return status == 206 and (span is None or int(span.group(1)) + 1 != int(span.group(2)))


FetchOutcome: TypeAlias = Response | Rejected | Dead


def now() -> str:
    """Return the current time: RFC 3339, UTC, whole seconds."""
    return _format(int(time.time()))


@lru_cache(maxsize=2)
def _format(second: int) -> str:
    """Return a Unix time in RFC 3339; cached, since many responses arrive in the same second."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
