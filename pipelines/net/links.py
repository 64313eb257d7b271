"""The links of a page, for following them: bounded regular expressions, no parser that hostile HTML could hang."""

import html
import re
from urllib.parse import urljoin, urlsplit, urlunsplit

_LINK = re.compile(
    rb"""<(?:a|area)\b[^>]{0,2000}?\bhref\s*=\s*(?:"([^"]{1,2000})"|'([^']{1,2000})'|([^\s>"']{1,2000}))""", re.I
)
_BASE = re.compile(rb"""<base\b[^>]{0,500}?\bhref\s*=\s*["']?([^"'\s>]{1,2000})""", re.I)
MAX_LINKS = 10_000
_OTHER = re.compile(
    r"\.(jpe?g|png|gif|webp|avif|svg|ico|bmp|tiff?|css|js|json|xml|pdf|zip|gz|tar|mp[34]|webm|avi|mov|woff2?)$", re.I
)


def links_of(body: bytes, url: str) -> list[str]:
    """Return the absolute http(s) links of a page, without fragments, each once; none to other kinds of files."""
    base_tag = _BASE.search(body[:65_536])
    base = urljoin(url, _text(base_tag.group(1))) if base_tag else url
    found: dict[str, None] = {}
    for match in _LINK.finditer(body):
        try:
            parts = urlsplit(urljoin(base, _text(match.group(1) or match.group(2) or match.group(3)).strip()))
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.netloc and not _OTHER.search(parts.path):
            found[urlunsplit((*parts[:4], ""))] = None
        if len(found) >= MAX_LINKS:
            break
    return list(found)


def _text(data: bytes) -> str:
    return html.unescape(data.decode("utf-8", "replace"))
