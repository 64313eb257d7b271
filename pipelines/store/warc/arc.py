"""Reads ARC 1.0 and 1.1, the Internet Archive's format before WARC: a header line and an HTTP response per record."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from corpusloom.pipelines.store.warc.members import Members
from corpusloom.pipelines.store.warc.responses import (
    MAX_BODY,
    HtmlResponse,
    RecordSource,
    SkippedRecord,
    html_or_skipped,
    truncated_file,
)
from corpusloom.schemas import storage
from corpusloom.schemas.errors import raise_shortage

ARC = (".arc", ".arc.gz")
"""Extensions of ARC files."""
MAX_HEADER = 16_384
"""Maximum number of bytes of a header line."""
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]+|-")
_DATE = re.compile(r"\d{12,17}")
_DAMAGE = (OSError, EOFError, ValueError, zlib.error)


class ArcHeader(NamedTuple):
    """The fields of a header line that are used."""

    url: str
    date: str
    """14 digits: year to second, in UTC; empty if unknown."""
    length: int
    """Bytes of the record."""
    offset: int | None
    """Offset of the record in the file; None inside a gzip member, where no reader can begin."""

    @property
    def fetched_at(self) -> str:
        """The date in RFC 3339; empty if unknown."""
        date = self.date
        return f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10]}:{date[10:12]}:{date[12:14]}Z" if date else ""


def is_arc(path: str) -> bool:
    """Return whether a file is an ARC by its name."""
    return path.endswith(ARC)


def read_arc(path: str, limit: int = MAX_BODY) -> Iterator[HtmlResponse | SkippedRecord]:
    """Yield each response of an ARC file as HTML or as skipped; a truncated or damaged file ends with a dead one."""
    number = last = 0
    with storage.open_input(path) as handle:
        try:
            stream = Members(handle)
            while (header := next_header(stream)) is not None:
                number, last = number + 1, last if header.offset is None else header.offset
                block = stream.read(min(header.length, 2 * limit))
                if len(block) + stream.skip(header.length - len(block)) < header.length:
                    raise EOFError("the record is cut off")
                if not header.url.startswith("filedesc:"):
                    yield _read_record(header, number, last, block, limit)
        except _DAMAGE as error:
            raise_shortage(error, path)
            yield truncated_file(path, last, f"{path}: record {number}, at or after byte {last}: {error}")


def _read_record(header: ArcHeader, number: int, offset: int, block: bytes, limit: int) -> HtmlResponse | SkippedRecord:
    """Return a record as HTML or as skipped. ARC has no record ids, so one is made of URL, date and number."""
    record_id = f"{header.url} {header.date} {number}"
    source = RecordSource(url=header.url, record_id=record_id, offset=offset, fetched_at=header.fetched_at)
    found = html_or_skipped(source, block, limit)
    if isinstance(found, SkippedRecord) and header.offset is None:
        return replace(found, image=False)  # its bytes cannot be read again by their offset
    return found


def read_arc_block(path: str, offset: int, limit: int) -> tuple[ArcHeader, bytes] | None:
    """Return header and block of the record at an offset, the block up to `limit` bytes; None if there is none."""
    with storage.open_input(path) as handle:
        handle.seek(offset)
        try:
            stream = Members(handle)
            header = next_header(stream)
            return None if header is None else (header, stream.read(min(header.length, limit)))
        except _DAMAGE as error:
            raise_shortage(error, path)
            return None


def next_header(stream: Members) -> ArcHeader | None:
    """Return the next header line, after any blank lines; None at the end of the file."""
    line, offset = stream.next_line(MAX_HEADER)
    return parse_header(line.decode("utf-8", "replace"), offset) if line else None


def parse_header(line: str, offset: int | None = None) -> ArcHeader:
    """Parse a header line: URL, address, date, type, ..., length. URL and type may hold blanks or be absent.

    Raises ValueError for another line.
    """
    fields = line.split()
    if len(fields) < 3 or not fields[-1].isdecimal():
        raise ValueError("no ARC header")
    dates = [place for place in range(1, len(fields) - 1) if _DATE.fullmatch(fields[place])]
    after_address = (place for place in dates if place > 1 and _ADDRESS.fullmatch(fields[place - 1]))
    place = next(after_address, None)
    url = fields[: place - 1] if place is not None else fields[: dates[0]] if dates else fields[:1]
    date = fields[place if place is not None else dates[0]][:14] if dates else ""
    return ArcHeader("%20".join(url), date if len(date) == 14 else "", int(fields[-1][:18]), offset)
