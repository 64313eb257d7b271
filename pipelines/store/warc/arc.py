"""ARC, what the Internet Archive wrote before WARC (ARC 1.0 and 1.1): each record a line of header and a response."""

import gzip
import zlib
from collections.abc import Iterator
from typing import IO, Any

from corpusloom.pipelines.store.warc.records import MAX_BODY, Skipped, WarcPage, judge_block
from corpusloom.schemas import storage
from corpusloom.schemas.verdicts import Dead

MAX_HEADER = 16_384
STEP = 1 << 20


def read_arc(path: str, limit: int = MAX_BODY) -> Iterator[WarcPage | Skipped]:
    """Yield every response of an ARC file as a page or as skipped; one dead outcome where it is cut or damaged."""
    place = 0
    with storage.open_input(path) as handle:
        stream: Any = gzip.GzipFile(fileobj=handle) if _is_gzip(handle) else handle
        try:
            while (header := _next_header(stream)) is not None:
                place += 1
                length = int(header[-1])
                block = stream.read(min(length, 2 * limit))
                if len(block) < min(length, 2 * limit) or not _skip(stream, length - len(block)):
                    raise EOFError("the record is cut off")
                if not header[0].startswith("filedesc:"):
                    yield judge_block(_common(header, path, place), block, limit)
        except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
            verdict = Dead("truncated_warc", f"{path}: record {place}: {error}")
            name = path.rsplit("/", 1)[-1]
            yield Skipped(url=name, record_id=f"truncated {name}", offset=place, fetched_at="", verdict=verdict)


def _is_gzip(handle: IO[bytes]) -> bool:
    magic = handle.read(2)
    handle.seek(0)
    return magic == b"\x1f\x8b"


def _next_header(stream: Any) -> list[str] | None:
    """Return the fields of the next record's header line (URL, address, date, type, ..., length); None at the end."""
    while line := stream.readline(MAX_HEADER):
        if line.strip():
            fields = line.decode("utf-8", "replace").split()
            if len(fields) < 5 or not fields[-1].isdigit():
                raise ValueError("no ARC header")
            return fields
    return None


def _skip(stream: Any, count: int) -> bool:
    while count > 0:
        read = len(stream.read(min(count, STEP)))
        if not read:
            return False
        count -= read
    return True


def _common(header: list[str], path: str, place: int) -> dict[str, Any]:
    """Return what a page and a skipped record share; an ARC has no record ids, so file and number stand for one."""
    date = header[2][:14]
    when = f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10]}:{date[10:12]}:{date[12:14]}Z" if len(date) == 14 else ""
    record_id = f"{header[0]} {date} {place}"
    return {"url": header[0], "record_id": record_id, "offset": place, "fetched_at": when}
