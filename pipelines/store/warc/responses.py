"""Parses and decodes the HTTP responses of WARC and ARC files, and separates HTML from other types."""

import re
from dataclasses import dataclass
from typing import TypedDict

from corpusloom.pipelines.net.exchange import sniff
from corpusloom.pipelines.net.exchange.decode import CodingError, decode
from corpusloom.pipelines.net.exchange.response import is_partial
from corpusloom.schemas.verdicts import Dead, Rejected

MAX_BODY = 10_000_000
"""Maximum number of bytes of a decoded body; HTML beyond them is cut off."""
Headers = tuple[tuple[str, str], ...]
"""HTTP headers as (name, value), in the order of the response."""
_HTML = ("text/html", "application/xhtml+xml")
_HEAD_END = re.compile(rb"\r?\n\r?\n")


class RecordSource(TypedDict):
    """The fields that all records of a WARC or ARC file have."""

    url: str
    record_id: str
    offset: int
    """Offset of the record in its file, in bytes."""
    fetched_at: str
    """Time of the fetch, RFC 3339 in UTC; empty if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlResponse:
    """A successful HTML response, its body decoded."""

    url: str
    record_id: str
    offset: int
    fetched_at: str
    status: int
    headers: Headers
    content_type: str | None
    body: bytes
    truncated: bool = False
    """True if the body is cut off, by the crawler or at the limit of the reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRecord:
    """A record that is not an HTML page, and the reason."""

    url: str
    record_id: str
    offset: int
    fetched_at: str
    verdict: Rejected | Dead
    image: bool = False
    """True for a successful response with an image, which the image store may copy from the WARC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedResponse:
    """A successful response of any media type, its body decoded."""

    status: int
    headers: Headers
    content_type: str | None
    body: bytes
    incomplete: Rejected | Dead | None = None
    """Why the body is not whole: body_too_large (beyond the limit) or body_cut_off (shorter than the headers say)."""


def split_http(block: bytes) -> tuple[bytes, bytes]:
    """Split an HTTP response at its first blank line, whose line ends may be CRLF or LF, into head and body."""
    gap = _HEAD_END.search(block)
    return (block, b"") if gap is None else (block[: gap.start()], block[gap.end() :])


def parse_http(block: bytes) -> tuple[int, Headers, bytes]:
    """Split an HTTP response into status, headers and body; raise ValueError if it has no status line."""
    head, body = split_http(block)
    lines = head.decode("utf-8", "replace").splitlines()
    parts = lines[0].split(None, 2) if lines else []
    if len(parts) < 2 or not parts[0].startswith("HTTP/") or not parts[1].isdigit():
        raise ValueError("no HTTP status line")
    pairs = (line.partition(":")[::2] for line in lines[1:] if ":" in line)
    return int(parts[1]), tuple((name.strip(), value.strip()) for name, value in pairs), body


def unchunk(body: bytes) -> bytes:
    """Undo chunked transfer coding.

    A body without chunks is returned unchanged: Common Crawl stores decoded bodies under the original header.
    """
    return _unchunk(body)[0]


def _unchunk(body: bytes) -> tuple[bytes, bool]:
    """Undo chunked transfer coding; return the body and whether its last chunk is there."""
    parts = bytearray()  # a list of millions of tiny chunks would take 40 times their memory
    place = 0
    while True:
        end = body.find(b"\r\n", place, place + 64)
        size_text = body[place:end].split(b";")[0].strip() if end >= 0 else b""
        if not size_text or any(digit not in b"0123456789abcdefABCDEF" for digit in size_text):
            return (bytes(parts), False) if place else (body, True)
        size = int(size_text, 16)
        if size == 0:
            return bytes(parts), True
        parts += body[end + 2 : end + 2 + size]
        place = end + 2 + size + 2


def open_response(block: bytes, limit: int, resource: str | None = None) -> OpenedResponse | Rejected | Dead:
    """Parse and decode a successful response, or return the verdict on an unusable one.

    Args:
      block: The HTTP response with its headers, or the body alone of a WARC resource record.
      limit: Maximum number of bytes of the decoded body.
      resource: Content type of a resource record; None for a response with HTTP headers.
    """
    status: int
    headers: Headers
    if resource is not None:
        status, headers, body = 200, (("Content-Type", resource),), block
    else:
        try:
            status, headers, body = parse_http(block)
        except ValueError as error:
            return Rejected("not_http") if not block else Dead("bad_http", str(error))
    fields = {name.lower(): value for name, value in headers}
    if not 200 <= status < 300 or is_partial(status, fields.get("content-range")):
        return Rejected(f"http_{status}")
    if "chunked" in fields.get("transfer-encoding", "").lower():
        body, whole = _unchunk(body)
    else:
        declared = fields.get("content-length", "")
        whole = not declared.isdecimal() or len(body) >= int(declared[:18])
    try:
        decoded = decode(body, fields.get("content-encoding", ""), limit)
    except CodingError as error:
        return Dead(error.reason, str(error))
    incomplete: Rejected | Dead | None = None if whole else Dead("body_cut_off", "shorter than its headers say")
    if decoded.cut or len(decoded.body) > limit:
        incomplete = Rejected("body_too_large", float(len(decoded.body)), float(limit))
    return OpenedResponse(
        status=status,
        headers=headers,
        content_type=fields.get("content-type"),
        body=decoded.body[:limit],
        incomplete=incomplete,
    )


def _is_http(url: str, block: bytes) -> bool:
    """Return whether a record holds an HTTP response; crawlers also record answers of DNS, FTP and whois."""
    return block.startswith(b"HTTP/") or url[:8].lower().startswith(("http://", "https://")) or ":" not in url


def html_or_skipped(
    source: RecordSource, block: bytes, limit: int, *, truncated: bool = False, resource: str | None = None
) -> HtmlResponse | SkippedRecord:
    """Return the record as an HTML response, or as skipped with the reason.

    Args:
      source: URL, record id, offset and time of the record.
      block: The HTTP response with its headers, or the body alone of a WARC resource record.
      limit: Maximum number of bytes of the decoded body.
      truncated: True if the crawler itself cut the body off.
      resource: Content type of a resource record; None for a response with HTTP headers.
    """
    if resource is None and not _is_http(source["url"], block):
        return SkippedRecord(**source, verdict=Rejected("not_http"))
    response = open_response(block, limit, resource)
    if isinstance(response, Rejected | Dead):
        return SkippedRecord(**source, verdict=response)
    media_type = (response.content_type or "").split(";")[0].strip().lower()
    if media_type and media_type not in _HTML:
        sniffed = not media_type.startswith("text/") and sniff.is_image(response.body[: sniff.SNIFFED_BYTES])
        return SkippedRecord(**source, verdict=Rejected("not_html"), image=media_type.startswith("image/") or sniffed)
    return HtmlResponse(
        **source,
        status=response.status,
        headers=response.headers,
        content_type=response.content_type,
        body=response.body,
        truncated=truncated or len(response.body) >= limit,
    )


def truncated_file(path: str, offset: int, message: str) -> SkippedRecord:
    """Return the single dead outcome of a WARC or ARC file that is cut off or damaged after `offset`."""
    name = path.rsplit("/", 1)[-1]
    verdict = Dead("truncated_warc", message)
    return SkippedRecord(url=name, record_id=f"truncated {name}", offset=offset, fetched_at="", verdict=verdict)


def without_responses(path: str) -> SkippedRecord:
    """Return the single rejection of a file that holds records but no response, for example requests only."""
    name = path.rsplit("/", 1)[-1]
    verdict = Rejected("no_responses")
    return SkippedRecord(url=name, record_id=f"no responses {name}", offset=0, fetched_at="", verdict=verdict)
