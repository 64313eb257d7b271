"""Prepares hostile HTML for a parser: converts it to UTF-8 and caps bytes, tags and tag lengths, in linear time."""

import re

from corpusloom.pipelines.extract.reading import charset
from corpusloom.pipelines.extract.reading.types import ExtractConfig

_BINARY = (
    b"%PDF-",
    b"\x89PNG",
    b"GIF8",
    b"\xff\xd8\xff",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"RIFF",
    b"\x7fELF",
    b"BM\x00",
    b"ID3",
    b"wOFF",
    b"wOF2",
    b"OggS",
    b"\x00\x00\x01\x00",
    b"{\\rtf",
)
_MARKUP = re.compile(
    rb"<(!doctype|html|head|body|title|meta|div|p|a|span|br|h[1-6]|table|ul|ol|dl|li|td|tr|pre|article|main|section|"
    rb"frameset|img|b|i|em|strong|font|center|form|script|style|link|noscript|iframe|header|footer|nav|figure|picture)\b",
    re.IGNORECASE,
)
_TAG_SNIFF_BYTES = 200_000


def looks_like_html(html: bytes) -> bool:
    """Return False for bytes of a known binary format or JSON, and for bytes without any HTML tag, else True."""
    head = html[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(_BINARY) or head[:1] in (b"{", b"["):
        return False
    if charset.is_wide(html):
        return True
    return _MARKUP.search(html, 0, _TAG_SNIFF_BYTES) is not None


def prepare(html: bytes, content_type: str | None, config: ExtractConfig) -> tuple[bytes, str, bool]:
    """Return (UTF-8 bytes without NULs and within the caps, the detected charset, whether anything was cut)."""
    truncated = len(html) > config.max_bytes
    source, codec = charset.to_utf8(html[: config.max_bytes], content_type)
    source = source.replace(b"\x00", b"")
    source, cut = _cut_tags(source, config.max_tags)
    source, shortened = _drop_long_tags(source, config.max_tag_bytes)
    return source, codec, truncated or cut or shortened


def _cut_tags(source: bytes, limit: int) -> tuple[bytes, bool]:
    """Cut the source after `limit` tags; return it and whether it was cut."""
    if source.count(b"<") <= limit:
        return source, False
    at = -1
    for _ in range(limit + 1):
        at = source.find(b"<", at + 1)
    return source[:at], True


def _has_long_gap(source: bytes, limit: int) -> bool:
    """Return whether `limit` bytes in a row contain no tag; searches backwards, so most bytes are not read."""
    at = 0
    while at + limit < len(source):
        tag = source.rfind(b"<", at, at + limit)
        if tag <= at:
            return True
        at = tag
    return False


def _drop_long_tags(source: bytes, limit: int) -> tuple[bytes, bool]:
    """Remove start tags longer than `limit` bytes: a megabyte of attributes costs seconds and holds no text."""
    if not _has_long_gap(source, limit):
        return source, False
    pieces, start, at = [], 0, source.find(b"<")
    while at >= 0:
        following = source.find(b"<", at + 1)
        end = following if following >= 0 else len(source)
        if end - at > limit and source[at + 1 : at + 2].isalpha():
            close = source.find(b">", at, end)
            close = end if close < 0 else close + 1
            if close - at > limit:
                pieces.append(source[start:at])
                start = close
        at = following
    if not pieces:
        return source, False
    pieces.append(source[start:])
    return b"".join(pieces), True
