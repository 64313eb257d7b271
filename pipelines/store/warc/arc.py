"""Reads ARC 1.0 and 1.1, the Internet Archive's format before WARC: a header line and an HTTP response per record."""

import gzip
import zlib
from collections.abc import Iterator
from typing import IO

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

MAX_HEADER = 16_384
"""Maximum number of bytes of a header line."""
STEP = 1 << 20
"""Bytes per read while a record is skipped."""


def read_arc(path: str, limit: int = MAX_BODY) -> Iterator[HtmlResponse | SkippedRecord]:
    """Yield each response of an ARC file as HTML or as skipped; a truncated or damaged file ends with a dead one."""
    number = 0
    with storage.open_input(path) as handle:
        stream: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=handle) if _is_gzip(handle) else handle
        try:
            while (header := _next_header(stream)) is not None:
                number += 1
                length = int(header[-1])
                block = stream.read(min(length, 2 * limit))
                if len(block) < min(length, 2 * limit) or not _skip(stream, length - len(block)):
                    raise EOFError("the record is cut off")
                if not header[0].startswith("filedesc:"):
                    yield html_or_skipped(_source(header, number), block, limit)
        except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
            raise_shortage(error, path)
            yield truncated_file(path, number, f"{path}: record {number}: {error}")


def _is_gzip(handle: IO[bytes]) -> bool:
    magic = handle.read(2)
    handle.seek(0)
    return magic == b"\x1f\x8b"


def _next_header(stream: IO[bytes] | gzip.GzipFile) -> list[str] | None:
    """Return the fields of the next header line: URL, address, date, type, ..., length. None at the end of the file."""
    while line := stream.readline(MAX_HEADER):
        if line.strip():
            fields = line.decode("utf-8", "replace").split()
            if len(fields) < 5 or not fields[-1].isdigit():
                raise ValueError("no ARC header")
            return fields
    return None


def _skip(stream: IO[bytes] | gzip.GzipFile, count: int) -> bool:
    while count > 0:
        read = len(stream.read(min(count, STEP)))
        if not read:
            return False
        count -= read
    return True


def _source(header: list[str], number: int) -> RecordSource:
    """Return the source of a record. ARC has no record ids, so one is made of URL, date and number."""
    date = header[2][:14]
    when = f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10]}:{date[10:12]}:{date[12:14]}Z" if len(date) == 14 else ""
    return RecordSource(url=header[0], record_id=f"{header[0]} {date} {number}", offset=number, fetched_at=when)
