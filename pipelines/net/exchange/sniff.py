"""Detects the type of a body from its first bytes, ignoring Content-Type (after WHATWG MIME Sniffing)."""

import re

IMAGES = frozenset(("jpeg", "png", "gif", "webp", "avif", "heic", "jxl", "bmp", "tiff", "ico"))
SNIFFED_BYTES = 512
"""Bytes from the start that `sniff` reads."""

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"\x00\x00\x01\x00", "ico"),
    (b"\xff\x0a", "jxl"),
    (b"\x00\x00\x00\x0cJXL ", "jxl"),
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
)
_BRANDS = {b"avif": "avif", b"avis": "avif", b"heic": "heic", b"heix": "heic", b"mif1": "heic"}
_HTML = re.compile(
    rb"<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|meta|link|!--)(?:[\s>]|$)",
    re.I,
)
_SPACE = b" \t\r\n\x0c"


def sniff(data: bytes) -> str | None:
    """Return jpeg, png, ..., html, svg, xml or text; None for an unknown type."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video")
    return _sniff_text(data[:SNIFFED_BYTES])


def _sniff_text(head: bytes) -> str | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)
    if start[:5].lower() == b"<?xml":
        return "svg" if b"<svg" in start.lower() else "html" if b"<html" in start.lower() else "xml"
    if start[:4].lower() == b"<svg":
        return "svg"
    if _HTML.match(start):
        return "html"
    binary = any(byte < 9 or 13 < byte < 27 or 27 < byte < 32 for byte in head)
    return None if binary or not head else "text"


def is_image(data: bytes) -> bool:
    """Return whether bytes start like a raster image."""
    return sniff(data) in IMAGES
