"""Tells WARC and ARC files from others by their first line, whatever they are called."""

import zlib
from collections.abc import Iterator

from corpusloom.pipelines.store.warc.arc import is_arc, read_arc
from corpusloom.pipelines.store.warc.file_end import LZ4, ZSTD
from corpusloom.pipelines.store.warc.members import Members
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import HtmlResponse, SkippedRecord
from corpusloom.schemas import storage
from corpusloom.schemas.errors import raise_shortage

_LINE = 64
"""Bytes of the first line that are read."""


def read_archive(path: str) -> Iterator[HtmlResponse | SkippedRecord] | None:
    """Return the records of a WARC or ARC file; None for another file."""
    first = _first_bytes(path)
    if first.startswith(b"filedesc:") or (is_arc(path) and not first.startswith(b"WARC/")):
        return read_arc(path)
    if first.startswith((b"WARC/", ZSTD, LZ4)) or ".warc" in path.rsplit("/", 1)[-1]:
        return read_warc(path)
    return None


def _first_bytes(path: str) -> bytes:
    """Return the beginning of a file's first line that is not blank, decompressed if it is gzip."""
    with storage.open_input(path) as handle:
        try:
            return Members(handle).next_line(_LINE)[0]
        except (OSError, EOFError, zlib.error) as error:
            raise_shortage(error, path)
            return b""
