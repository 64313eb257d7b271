"""Finds the links of a page by regular expressions in linear time, so that no HTML can stall the scrape.

A tag ends at the next `<` or `>` or after 4 KiB, so every byte is scanned as part of at most one tag.
"""

import html
import re
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit, urlunsplit

MAX_LINKS = 10_000
"""Links per page, at most; a page with more is an attack, or an index whose links other pages repeat."""
MAX_HREF = 8_192
"""Bytes of one attribute value, at most; the rest is ignored."""
_LINK = re.compile(rb"<(?:a|area)\s([^<>]{0,4096})", re.I)
_BASE = re.compile(rb"<base\s([^<>]{0,4096})", re.I)
_VALUE = rb"""\s{0,9}=\s{0,9}(?:"([^"]*)"?|'([^']*)'?|([^\s>"']+))"""
_HREF = re.compile(rb"(?<![\w-])href" + _VALUE, re.I)


def links_of(body: bytes, url: str) -> list[str]:
    """Return the absolute http(s) links of a page without fragments, each once, in order; `<base>` is applied."""
    body = _without_comments(body)
    return _absolute((_value(_HREF, match[1]) for match in _LINK.finditer(body)), base_of(body, url))


def _without_comments(body: bytes) -> bytes:
    """Return a page without its comments; an unclosed comment extends to the end of the page."""
    parts: list[bytes] = []
    place = 0
    while (start := body.find(b"<!--", place)) >= 0:
        parts.append(body[place:start])
        end = body.find(b"-->", start + 2)
        if end < 0:
            return b"".join(parts)
        place = end + 3
    return b"".join((*parts, body[place:]))


def base_of(body: bytes, url: str) -> str:
    """Return the URL that relative links of a page are resolved against."""
    tag = _BASE.search(body[:65_536])
    try:
        return urljoin(url, _value(_HREF, tag[1]) or "") if tag else url
    except ValueError:
        return url


def _value(pattern: re.Pattern[bytes], tag: bytes) -> str | None:
    match = pattern.search(tag)
    if match is None:
        return None
    raw = match[1] or match[2] or match[3] or b""
    return html.unescape(raw[:MAX_HREF].decode("utf-8", "replace")).strip()


def _absolute(values: Iterable[str | None], base: str) -> list[str]:
    found: dict[str, None] = {}
    for value in _distinct(values):
        if not value or value.startswith("#"):
            continue
        try:
            parts = urlsplit(urljoin(base, re.sub(r"[\t\r\n]", "", value)))
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.netloc:
            found[urlunsplit((*parts[:4], ""))] = None
        if len(found) >= MAX_LINKS:
            break
    return list(found)


MAX_TAGS = 100_000
"""Links per page, at most, with those that repeat: 10 MB of one link would take eight seconds in the event loop."""


def _distinct(values: Iterable[str | None]) -> Iterable[str]:
    """Yield each value once."""
    seen: set[str] = set()
    for number, value in enumerate(values):
        if number == MAX_TAGS:
            return
        if value and value not in seen:
            seen.add(value)
            yield value
