"""Finds the charset of a page as browsers do, checks it against the bytes, and converts the page to UTF-8.

Order: byte order mark, `charset` of the Content-Type header, `meta` in the first 1,024 bytes, XML declaration, a later
`meta`, detection, windows-1252. An XML media type puts the XML declaration before any `meta`.

Unlike in browsers, bytes are decoded as UTF-8 whatever is declared if they are valid UTF-8, or nearly so; and a
declared UTF-8 or UTF-16 is ignored if the bytes are something else.
"""

import codecs
import re

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

_LABEL = re.compile(rb"\s*([a-z0-9_.:-]{2,40})", re.IGNORECASE)
_PARAMETER = re.compile(rb"charset\s*=\s*[\"']?\s*([a-z0-9_.:-]{2,40})", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml\s[^>]{0,200}?\bencoding\s*=\s*[\"']([^\"'>]{2,40})", re.IGNORECASE)
_MARKUP = re.compile(rb"<(?:(!--)|(meta)(?=[\s/])|(script|style)(?=[\s/>]))", re.IGNORECASE)
_ENDS = {name: re.compile(end, re.IGNORECASE) for name, end in ((b"script", rb"</script"), (b"style", rb"</style"))}
_ATTRIBUTE = re.compile(rb"[\s/]*+([^\s/>=]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>]*+)))?")
_START = re.compile(
    rb"(\xef\xbb\xbf)|(\xfe\xff|\0<\0[!?a-z])|(\xff\xfe|<\0[!?a-z]\0)",
    re.IGNORECASE,
)
"""A byte order mark, or a doctype, XML declaration or tag in UTF-16."""
_STARTS = ("", "utf-8", "utf-16-be", "utf-16-le")
"""The codec of each group of `_START`."""
_META_BYTES = 1024
"""A meta element that starts after so many bytes comes after the XML declaration, as in browsers."""
_MAX_TAG = 4096
_DETECT_BYTES = 65536
_UNMAPPED = {"x-mac-cyrillic": "mac-cyrillic", "x-mac-ukrainian": "mac-cyrillic", "x-user-defined": "cp1252"}
"""Labels of the Encoding standard that `map_encoding_to_html5` leaves out."""
_SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""Codec -> the larger one that the Encoding standard decodes its label with."""
_WIDE = ("utf-16", "utf-32")
_SHIFTED = ("iso2022", "hz", "utf-7")
"""Codecs that encode non-ASCII letters as sequences of ASCII bytes."""
_MULTI_BYTE = frozenset(("gb18030", "big5hkscs", "cp932", "cp949", "euc_jp", "johab"))
_TEXT_CODECS = re.compile(
    r"utf-(8|16|32)|cp\d+|iso8859|latin|gb|big5|euc|shift|koi8|mac|johab|hz|iso2022|ptcp|tis|ascii"
)
_SEQUENCES_PER_ERROR = 4
"""Bytes with at least so many valid multi-byte sequences per invalid one are UTF-8: other charsets have hardly any."""


def codec_of(label: str) -> str | None:
    """Return Python's codec for a charset label: those of the Encoding standard, then Python's own; None if unknown."""
    name = label.strip(" \t\n\f\r").lower()
    mapped = _UNMAPPED.get(name) or map_encoding_to_html5(name, fallback_utf8=False) or name
    try:
        found = codecs.lookup(mapped).name
    except (LookupError, ValueError):
        return None
    return _SUPERSETS.get(found, found) if _TEXT_CODECS.match(found) else None


def declared(html: bytes, content_type: str | None = None) -> str | None:
    """Return the codec that a page declares in the first place of the module's order that names a known one, or None.

    A declared UTF-16 without a zero byte in the page's head is not that: it is ignored.
    """
    if start := _START.match(html):
        return _STARTS[start.lastindex or 0]
    header = _named(_PARAMETER.search(content_type.encode("ascii", "replace"))) if content_type else None
    if header and not (header.startswith(_WIDE) and b"\0" not in html[:_META_BYTES]):
        return header
    in_xml = _readable(_named(_XML.match(html)))
    if in_xml and content_type and "xml" in content_type.lower():
        return in_xml
    return _of_meta(html, _META_BYTES) or in_xml or _of_meta(html, len(html))


def is_wide(html: bytes) -> bool:
    """Return whether a page begins as UTF-16."""
    start = _START.match(html)
    return start is not None and start.lastindex != 1


def _named(found: re.Match[bytes] | None) -> str | None:
    """Return the codec of the label in the first group of a match."""
    return codec_of(found.group(1).decode("ascii", "replace")) if found else None


def _readable(codec: str | None) -> str | None:
    """Return UTF-8 for a UTF-16 that is declared in ASCII bytes, as the standard does, else the codec."""
    return "utf-8" if codec and codec.startswith(_WIDE) else codec


def _of_meta(html: bytes, end: int) -> str | None:
    """Return the codec of the first meta element before `end` that names one, outside comments, scripts and styles."""
    at = 0
    while found := _MARKUP.search(html, at, end):
        comment, meta, raw = found.groups()
        if meta:
            values, at = _attributes(html, found.end())
            if codec := _of_attributes(values):
                return codec
            continue
        if comment:
            at = html.find(b"-->", found.start() + 2)
        else:
            close = _ENDS[raw.lower()].search(html, found.end())
            at = close.start() if close else -1
        if at < 0:
            break
    return None


def _attributes(html: bytes, at: int) -> tuple[dict[bytes, bytes], int]:
    """Return the attributes of a tag whose name ends at `at`, the first of each name, and where they end."""
    values: dict[bytes, bytes] = {}
    end = at + _MAX_TAG
    while found := _ATTRIBUTE.match(html, at, end):
        name, *quoted = found.groups()
        values.setdefault(name.lower(), next(filter(None, quoted), b""))
        at = found.end()
    return values, at


def _of_attributes(values: dict[bytes, bytes]) -> str | None:
    """Return the codec that a meta element's `charset` names, or its `content` unless it has a name of its own."""
    if b"charset" in values:
        return _readable(_named(_LABEL.match(values[b"charset"])))
    if b"name" in values or b"property" in values:
        return None
    return _readable(_named(_PARAMETER.search(values.get(b"content", b""))))


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
    if label in _MULTI_BYTE and _decodes(html, label):
        return html.decode(label), label
    lenient = html.decode("utf-8", "replace")
    broken = lenient.count("�")
    sequences = len(lenient) - len(lenient.encode("ascii", "ignore")) - broken
    if sequences >= _SEQUENCES_PER_ERROR * broken:
        return lenient.removeprefix("\ufeff"), "utf-8"
    if label in ("utf-8", None):
        label = _detected(html)
    return _lenient(html, label), label


def _decodes(html: bytes, codec: str) -> bool:
    """Return whether every byte of a page is part of a character of a codec."""
    try:
        html.decode(codec)
    except UnicodeError:
        return False
    return True


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
