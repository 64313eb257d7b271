"""robots.txt by RFC 9309: what may be fetched, the delay asked for, and signals about use."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from protego import Protego

from pipelines.net.signals import TOKEN
from schemas.records import Signal
from schemas.verdicts import Rejected

MAX_BYTES = 512_000
_USE = re.compile(r"^\s*(content-usage|content-signal)\s*:\s*(.+?)\s*$", re.I | re.M)


@dataclass(frozen=True)
class Robots:
    """One host's rules; `rules` is None when everything is disallowed (the server failed)."""

    rules: Protego | None
    signals: tuple[Signal, ...] = ()
    refused: Rejected | None = None
    """Why robots.txt itself may not be fetched: an address that the policy refuses, say."""

    def allows(self, url: str) -> bool:
        """Say whether our token may fetch a URL."""
        return self.rules is not None and bool(self.rules.can_fetch(url, TOKEN))

    @property
    def crawl_delay(self) -> float | None:
        """Return the delay that the host asks for, in seconds."""
        return None if self.rules is None else self.rules.crawl_delay(TOKEN)


def parse_robots(status: int, body: bytes, *, seen_at: str) -> Robots:
    """Return the rules of an answer: 2xx is parsed (500 KiB), 4xx allows everything, anything else disallows it."""
    if 400 <= status < 500:
        return Robots(Protego.parse(""))
    if not 200 <= status < 300:
        return Robots(None)
    text = body[:MAX_BYTES].decode("utf-8", "replace").lstrip("\ufeff")
    signals = tuple(
        Signal(name=name.lower(), value=value, where="robots_txt", seen_at=seen_at)
        for name, value in _USE.findall(text)
    )
    return Robots(Protego.parse(text), signals)


def robots_url(url: str) -> str:
    """Return the address of the robots.txt that governs a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/robots.txt"
