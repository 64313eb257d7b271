"""What a fetch ends in: Response with all that a WARC needs, or a verdict on why there is nothing."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from corpusloom.schemas.records import Signal
from corpusloom.schemas.verdicts import Dead, Rejected

REDIRECTS = frozenset((301, 302, 303, 307, 308))


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer: what was asked, what came over the wire, and what it says."""

    url: str
    """The URL that was asked for."""
    final_url: str
    """The URL that answered, after redirects."""
    status: int
    request: bytes
    """The request's head as it was sent."""
    response_head: bytes
    """Status line and headers as received, ending in a blank line."""
    wire_body: bytes
    """After transfer coding, content coding kept."""
    body: bytes
    """Decoded."""
    headers: tuple[tuple[str, str], ...]
    hops: tuple["Response", ...] = ()
    """The answers that redirected to this one, first to last."""
    address: str | None = None
    """The address that was connected to."""
    truncated: str | None = None
    """length, time or disconnect when `wire_body` is not all of it (WARC-Truncated)."""
    fetched_at: str
    """RFC 3339, UTC: when the response's headers had arrived."""
    signals: tuple[Signal, ...] = ()

    def header(self, name: str) -> str | None:
        """Return the first value of a header, by its name in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def location(self) -> str | None:
        """Return where a redirect leads, as the server wrote it; None for another answer."""
        return self.header("location") if self.status in REDIRECTS else None


FetchOutcome = Response | Rejected | Dead


def now() -> str:
    """Return the time in RFC 3339, UTC, whole seconds."""
    return _spell(int(time.time()))


@lru_cache(maxsize=2)
def _spell(second: int) -> str:
    """Return a second since 1970 in RFC 3339: many answers come in the same one."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
