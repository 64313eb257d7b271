"""Finds the charset of a page as browsers do, checks it against the bytes, and converts the page to UTF-8.

Order: byte order mark, `charset` of the Content-Type header, `meta` in the first 1,024 bytes, detection, windows-1252.
Unlike in browsers, valid multi-byte UTF-8 is decoded as UTF-8 even if a single-byte charset is declared, and a
declared UTF-8 is ignored if the bytes are mostly not UTF-8.
"""

import codecs
import re

from resiliparse.parse.encoding import detect_encoding

_META = re.compile(rb"<meta[^>]{0,400}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_HEADER = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"))
_META_BYTES = 1024
_DETECT_BYTES = 65536
_LABELS = {
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "windows-1252": "cp1252",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "utf8": "utf-8",
    "unicode": "utf-8",
}
_WIDE = ("utf-16", "utf-32")
_SHIFTED = ("iso2022", "hz", "utf-7")
"""Codecs that encode non-ASCII letters as sequences of ASCII bytes."""
_TEXT_CODECS = re.compile(
    r"utf-(8|16|32)|cp\d+|iso8859|latin|gb|big5|euc|shift|koi8|mac|johab|hz|iso2022|ptcp|tis|ascii"
)


def codec_of(label: str) -> str | None:
    """Return Python's codec for a charset label of the web (aliases of the Encoding standard), or None."""
    name = label.strip().lower()
    try:
        found = codecs.lookup(_LABELS.get(name, name)).name
    except (LookupError, ValueError):
        return None
    return found if _TEXT_CODECS.match(found) else None


def declared(html: bytes, content_type: str | None = None) -> str | None:
    """Return the codec that a byte order mark, the header or a meta element declares, in that order, or None."""
    for mark, name in _BOMS:
        if html.startswith(mark):
            return name
    header = _HEADER.search(content_type) if content_type else None
    if header and (codec := codec_of(header.group(1))):
        return codec
    meta = _META.search(html, 0, _META_BYTES)
    codec = codec_of(meta.group(1).decode("ascii")) if meta else None
    # A meta element that is readable as ASCII is not UTF-16; the standard decides on UTF-8.
    return "utf-8" if codec and codec.startswith(("utf-16", "utf-32")) else codec


def to_utf8(html: bytes, content_type: str | None = None) -> tuple[bytes, str]:
    """Convert a page to UTF-8; return (bytes without a byte order mark, codec name).

    Bytes that are UTF-8 already are not copied. Undecodable bytes become U+FFFD, so every input decodes.
    """
    label = declared(html, content_type)
    if label is None or not label.startswith(_WIDE):
        try:
            html.decode("utf-8")
        except UnicodeDecodeError:
            text, codec = _decode_other(html, label)
            return text.encode("utf-8", "replace"), codec
        if label is None or not html.isascii():
            return html.removeprefix(codecs.BOM_UTF8), "utf-8"
        if not label.startswith(_SHIFTED):
            return html, label
    return _lenient(html, label).encode("utf-8", "replace"), label


def _decode_other(html: bytes, label: str | None) -> tuple[str, str]:
    """Decode bytes that are not valid UTF-8 as a whole."""
    lenient = html.decode("utf-8", "replace")
    broken = lenient.count("�")
    mostly_utf8 = broken * 20 < len(html) - len(lenient) + broken
    if label == "utf-8" or label is None:
        if mostly_utf8:
            return lenient.removeprefix("\ufeff"), "utf-8"
        label = _detected(html)
    return _lenient(html, label), label


def _detected(html: bytes) -> str:
    try:
        found = codec_of(detect_encoding(html[:_DETECT_BYTES]) or "")
    except (ValueError, LookupError, RuntimeError):
        found = None
    return "cp1252" if found in (None, "utf-8") else str(found)


def _lenient(html: bytes, codec: str) -> str:
    try:
        return html.decode(codec, "replace").removeprefix("\ufeff")
    except (UnicodeError, ValueError):  # a few multi-byte codecs raise in spite of "replace"
        return html.decode("cp1252", "replace")
