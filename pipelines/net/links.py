"""Finds the links of a page by regular expressions in linear time, so that no HTML can stall the scrape."""

from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

from corpusloom.pipelines.net.html_tags import attribute_pattern, tag_pattern, value_of, without_hidden
from corpusloom.schemas.addresses import join_url

MAX_LINKS = 10_000
"""Links per page, at most; a page with more is an attack, or an index whose links other pages repeat."""
_LINK = tag_pattern("a|area")
_BASE = tag_pattern("base")
_HREF = attribute_pattern("href")


def links_of(body: bytes, url: str) -> list[str]:
    """Return the absolute http(s) links of a page without fragments, each once, in order; `<base>` is applied."""
    body = without_hidden(body)
    return _absolute((value_of(_HREF, match[1]) for match in _LINK.finditer(body)), base_of(body, url))


def base_of(body: bytes, url: str) -> str:
    """Return the URL that relative links of a page are resolved against."""
    tag = _BASE.search(body[:65_536])
    try:
        return join_url(url, value_of(_HREF, tag[1]) or "") if tag else url
    except ValueError:
        return url


def _absolute(values: Iterable[str | None], base: str) -> list[str]:
    found: dict[str, None] = {}
    for value in _distinct(values):
        if not value or value.startswith("#"):
            continue
        try:
            parts = urlsplit(join_url(base, value))
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
