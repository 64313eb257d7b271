"""Reads heads of responses that browsers accept and aiohttp's parser refuses; docs/formats.md has the list.

A head is held until it is complete, and mended if it must be. A line that means nothing is renamed to
X-Crawler-Malformed, so that a WARC keeps it. What could be read in two ways is left for the parser to refuse.
"""

import re
from typing import Any

from aiohttp.client_proto import ResponseHandler

MAX_HEAD = 65_536
"""Bytes of a head that are held; a longer one goes to the parser as it is."""
MALFORMED = b"X-Crawler-Malformed"
_END = re.compile(rb"\r?\n\r?\n")
_GOOD = re.compile(rb"HTTP/1\.[01] [1-5]\d\d(?: [^\r\n]*)?\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*\r\n)*\r\n")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STATUS = re.compile(rb".{0,4}?(?:HTTP|ICY)(/1\.1)?(?:/[\d.]*)?\s+([1-5]\d\d)(?!\d)\s*(.*)", re.I | re.S)
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n")


def mend_head(head: bytes) -> bytes:
    """Return a head that the parser reads as browsers read this one; unchanged if that cannot be known."""
    lower = head.lower()
    return head if _is_plain(head, lower) else _mended(head)


def _is_plain(head: bytes, lower: bytes) -> bool:
    """Return whether the parser reads a head as browsers do. `lower` is the head in lower case."""
    if _GOOD.fullmatch(head) is None:
        return False
    lengths = lower.count(b"\ncontent-length:")
    if not lengths:
        return True
    return lengths == 1 and b"\ntransfer-encoding:" not in lower and _LENGTH.search(lower) is not None


def _mended(head: bytes) -> bytes:
    first, *lines = re.split(rb"\r?\n", head.strip(b"\r\n"))
    status = _STATUS.match(first)
    if status is None or b"\x00" in head:
        return head
    fields = _framed(_fields(lines))
    if fields is None:
        return head
    version = b"1.1" if status[1] else b"1.0"
    start = b"HTTP/%s %s %s" % (version, status[2], status[3].replace(b"\r", b" "))
    return b"\r\n".join([start, *(b"%s: %s" % field for field in fields), b"", b""])


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Return (name, value) of each line; a line that begins with a blank continues the one before it."""
    fields: list[tuple[bytes, bytes]] = []
    for line in (line.replace(b"\r", b" ") for line in lines):
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] = fields[-1][0], fields[-1][1] + b" " + line.strip()
        elif colon and _TOKEN.fullmatch(name.rstrip()):
            fields.append((name.rstrip(), value.strip()))
        else:
            fields.append((MALFORMED, line.strip()))
    return fields


def _framed(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]] | None:
    """Return fields that say once how long the body is; None if they name two lengths.

    Chunks win over a length (RFC 9112, 6.3). A length that is no number says nothing.
    """
    named = [(name.lower(), value) for name, value in fields]
    lengths = [part.strip() for name, value in named if name == b"content-length" for part in value.split(b",")]
    numbers = {int(length) for length in lengths if re.fullmatch(rb"\d{1,18}", length)}
    chunked = any(name == b"transfer-encoding" and b"chunked" in value.lower() for name, value in named)
    if len(numbers) > 1 and not chunked:
        return None
    kept: list[tuple[bytes, bytes]] = []
    for (name, value), (lower, _) in zip(fields, named, strict=True):
        is_length = lower == b"content-length"
        if is_length or (lower == b"transfer-encoding" and value.lower() == b"identity"):
            name, value = MALFORMED, name + b": " + value
        kept.append((name, value))
    return kept if chunked or not numbers else [*kept, (b"Content-Length", b"%d" % numbers.pop())]


def body_length(head: bytes) -> int | None:
    """Return the bytes of the body that follows a mended head; None if chunks or the connection's end delimit it."""
    return _length_of(head, head.lower())


def _length_of(head: bytes, lower: bytes) -> int | None:
    if head[9:12] in (b"204", b"304"):
        return 0
    found = _LENGTH.search(lower)
    return int(found[1]) if found and b"\ntransfer-encoding:" not in lower else None


class LenientHandler(ResponseHandler):
    """aiohttp's protocol of a connection, with heads mended and bytes after the end of a body dropped."""

    _held: bytes | None = None
    """Bytes of the head so far; None while a body is read."""
    _left: int | None = None
    """Bytes of the body that are missing; None if unknown."""

    def set_response_params(self, **options: Any) -> None:
        """Prepare for the next response."""
        self._held, self._left = b"", None
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        """Hand mended heads and bodies to the parser; without data, let it go on with what it has."""
        if self._held is None and self._left is not None and len(data) <= self._left:
            self._left -= len(data)
            super().data_received(data)
            return
        if self._held == b"" and self._is_good(data):
            super().data_received(data)  # as it is: a copy of the body's first bytes would cost a tenth of the fetch
            return
        heads = b""
        while self._held is not None and data:
            head, data = self._read_head(self._held, data)
            heads += head
        if self._left is not None and data:
            if len(data) > self._left:
                self._close_after_body()
            data, self._left = data[: self._left], max(0, self._left - len(data))
        if heads or data or self._held is None:
            super().data_received(heads + data if heads else data)

    def _is_good(self, data: bytes) -> bool:
        """Return whether data begins with a complete head that needs no mending, and ends within its body."""
        end = data.find(b"\r\n\r\n") + 4
        head = data[:end]
        lower = head.lower()
        if end < 4 or not head.startswith(b"HTTP/1.") or head[9:10] == b"1" or not _is_plain(head, lower):
            return False
        length, there = _length_of(head, lower), len(data) - end
        if length is not None and there > length:
            return False
        self._held, self._left = None, None if length is None else length - there
        return True

    def _read_head(self, held: bytes, data: bytes) -> tuple[bytes, bytes]:
        """Hold bytes of a head, or return the complete head, mended, and the bytes that follow it."""
        place = max(0, len(held) - 3)
        held = held + data if held else data.lstrip(b"\r\n")
        end = _END.search(held, place)
        if end is None and len(held) < MAX_HEAD and _may_begin_head(held):
            self._held = held
            return b"", b""
        self._held = None
        if end is None:
            return b"", held
        head = mend_head(held[: end.end()])
        if head[9:10] == b"1" and head[9:12] != b"101":
            self._held = b""  # an interim response (RFC 9110, 15.2): another head follows
        self._left = body_length(head)
        return head, held[end.end() :]

    def connection_lost(self, exc: BaseException | None) -> None:
        """Hand a head that is cut off to the parser."""
        held, self._held = self._held, None
        if held and self._parser is not None:
            super().data_received(held)
        super().connection_lost(exc)

    def _close_after_body(self) -> None:
        self.force_close()
        if not self._left and self.transport is not None:
            self.transport.close()


def _may_begin_head(data: bytes) -> bool:
    """Return whether bytes may be the beginning of a status line."""
    return len(data) < 8 or re.match(rb".{0,4}?(HTTP|ICY)", data, re.I | re.S) is not None
