"""Finds the target of a page that redirects by `<meta http-equiv="refresh">` or by a Refresh header."""

import re

from corpusloom.pipelines.net.html_tags import attribute_pattern, tag_pattern, value_of, without_hidden
from corpusloom.pipelines.net.links import base_of
from corpusloom.schemas.addresses import RefusedError, clean_url, join_url

MAX_BODY = 65_536
"""Bytes of a page that may redirect, which is kept while its target waits; a longer page is meant to be read."""
MAX_SECONDS = 30
"""Longest delay of a refresh that is a redirect; a page with a longer one is meant to be read."""
_META = tag_pattern("meta")
_KIND = attribute_pattern("http-equiv")
_CONTENT = attribute_pattern("content")
_REFRESH = re.compile(r"\s*(\d{1,9}|(?=\.))[\d.]*(?:\s*[;,]\s*|\s+)(?:url\s*=\s*)?(.*)", re.I | re.S)


def refresh_target(body: bytes, header: str | None, url: str) -> str | None:
    """Return the cleaned URL to which a page at `url` redirects, by its header or its first meta refresh, else None.

    A page that reloads itself, or that names no URL that may be fetched, does not redirect.
    """
    if len(body) > MAX_BODY:
        return None
    if header:
        return _target(header, url, url)
    if b"refresh" not in body.lower():
        return None
    visible = without_hidden(body)
    for match in _META.finditer(visible):
        if (value_of(_KIND, match[1]) or "").lower() == "refresh":
            return _target(value_of(_CONTENT, match[1]) or "", base_of(visible, url), url)
    return None


def _target(value: str, base: str, url: str) -> str | None:
    """Return the cleaned URL of a refresh value, such as `0; url='/a'`, else None."""
    match = _REFRESH.match(value)
    if match is None or int(match[1] or 0) > MAX_SECONDS or not match[2]:
        return None
    quote = match[2][0] if match[2][0] in "\"'" else ""
    reference = match[2][1:].partition(quote)[0] if quote else match[2]
    try:
        target = clean_url(join_url(base, reference))
    except (RefusedError, ValueError):
        return None
    return None if target == url else target
