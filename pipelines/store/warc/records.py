"""Opens the records of a WARC with their offsets, also of files with LF line ends and wrong lengths (ClueWeb09)."""

import io
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO

from fastwarc.warc import ArchiveIterator, WarcRecord

from corpusloom.pipelines.store.warc.members import Members
from corpusloom.schemas.errors import raise_shortage

MAX_BLOCK = 1 << 26
"""Bytes of a block that are read from a file with LF line ends; the rest is skipped."""
MAX_HEAD = 1 << 16
"""Maximum number of bytes of a record's header."""
_HEAD_START = 64
"""Bytes that hold the first line of a record and the start of its second."""
_VERSION = re.compile(rb"WARC/\d\.\d{1,2}")
_NEXT = re.compile(rb"\n(?=WARC/\d\.\d{1,2}\r?\nWARC-)")
_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d{1,18})[ \t]*\r?\n")
_UTC = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?Z", re.ASCII)


def warc_records(handle: IO[bytes]) -> Iterator[tuple[int | None, WarcRecord]]:
    """Yield each record of a WARC with its offset in bytes, None where no reader can begin (inside a gzip member).

    Raises OSError, EOFError, ValueError or zlib.error at the first damage.
    """
    if has_line_feeds(handle):
        yield from _with_line_feeds(Members(handle))
        return
    last = -1
    for record in ArchiveIterator(handle, parse_http=False):
        offset = int(record.stream_pos)
        if "\n" in next(iter(record.headers.values()), ""):
            handle.seek(offset)
            if offset == last or not has_line_feeds(handle):
                raise ValueError("the line ends of records change inside a compressed member")
            yield from _with_line_feeds(Members(handle))  # joined files may have other line ends from here on
            return
        last = offset
        yield offset, record


def record_at(handle: IO[bytes], offset: int) -> WarcRecord | None:
    """Return the record at an offset of a WARC, or None if none begins there."""
    handle.seek(offset)
    try:
        return next((record for _, record in warc_records(handle)), None)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise_shortage(error)
        return None


def has_line_feeds(handle: IO[bytes]) -> bool:
    """Return whether the lines of the next record of a file end with LF alone, as no WARC should."""
    start = handle.tell()
    try:
        line, _ = Members(handle).next_line(MAX_HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise_shortage(error)
        line = b""
    handle.seek(start)
    return _VERSION.fullmatch(line.removesuffix(b"\n")) is not None


def _with_line_feeds(stream: Members) -> Iterator[tuple[int | None, WarcRecord]]:
    while (found := stream.next_line(MAX_HEAD))[0]:
        line, offset = found
        if not _VERSION.match(line):
            raise ValueError("no WARC record")
        head = line + _rest_of_head(stream)
        length = _LENGTH.search(head)
        if length is None:
            raise ValueError("a record without Content-Length")
        block = _read_block(stream, int(length.group(1)))
        head = _LENGTH.sub(b"", head) + b"Content-Length: %d\n\n" % len(block)
        record = next(iter(ArchiveIterator(io.BytesIO(head + block), parse_http=False, quirks_mode=True)), None)
        if record is None:
            raise ValueError("no WARC record")
        yield offset, record


def _rest_of_head(stream: Members) -> bytes:
    """Return the header's lines up to the blank one."""
    lines, size = list[bytes](), 0
    while (line := stream.readline(MAX_HEAD)).strip() and size < MAX_HEAD:
        lines.append(line)
        size += len(line)
    return b"".join(lines)


def _read_block(stream: Members, length: int) -> bytes:
    """Return a record's block, which never reaches beyond its gzip member.

    Where neither the next record nor the end follows the block, its length is wrong, since line ends were converted
    after it was set: the block then ends before the next record.
    """
    block = stream.read(min(length, MAX_BLOCK), within_member=True)
    if length > MAX_BLOCK:
        stream.skip(length - len(block))
        return block
    line = stream.peek_line(MAX_HEAD)
    if len(block) == length and (not line or _VERSION.match(line)):
        return block
    ahead = stream.read(_HEAD_START, within_member=True)
    following = _NEXT.search(block + ahead)
    if following is not None and following.start() < len(block):  # the length is too large
        stream.unread((block + ahead)[following.end() :])
        return block[: following.start()]
    stream.unread(ahead)
    if len(block) < length and not stream.compressed:
        raise EOFError("the record is cut off")
    parts, size = [block], len(block)
    while line and not _VERSION.match(line) and size < MAX_BLOCK:  # the length is too small
        parts.append(stream.readline(MAX_HEAD))
        size += len(parts[-1])
        line = stream.peek_line(MAX_HEAD)
    return b"".join(parts)


def date_of(record: WarcRecord) -> str:
    """Return a record's date in RFC 3339 and UTC; empty if it has none, or one that is no date."""
    text = record.headers.get("WARC-Date") or ""
    if _UTC.fullmatch(text):
        return text
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return ""
