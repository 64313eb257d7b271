"""A checksum of each Parquet file that we write, in its footer: the crc32c of the file with zeros in its place.

Parquet's own checksums cover neither the headers of pages nor the footer, where one bit can hide rows.
"""

import contextlib
import functools
import os
import re
from collections.abc import Iterator
from typing import IO, Any

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq

from corpusloom.schemas.errors import DamageError

KEY = "corpusloom.crc32c"
_ZEROS = b"00000000"
_VALUE = re.compile(rb"corpusloom\.crc32c\x18\x08([0-9a-f]{8})")
"""The entry in a footer, as Thrift's compact protocol writes a key and a value of 8 bytes."""
_CHUNK = 1 << 20
_TAIL = 8
"""Bytes after a footer: its length and the magic number."""


class _HeldFooter:
    """A sink that hashes what passes, and holds the footer back until its checksum is known."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink, self._crc32c, self._footer = sink, 0, bytearray()
        self.holding = self.closed = False

    def write(self, data: Any) -> int:
        """Write data, or hold it."""
        part = bytes(data)
        if self.holding:
            self._footer += part
        else:
            self._crc32c = google_crc32c.extend(self._crc32c, part)
            self._sink.write(part)
        return len(part)

    def flush(self) -> None:
        """Do nothing: the caller flushes its own sink."""

    def close(self) -> None:
        """Do nothing: the caller closes its own sink."""

    def finish(self) -> None:
        """Write the footer with its checksum."""
        footer = bytes(self._footer)
        place = _VALUE.search(footer)
        assert place is not None, "the writer adds the entry"
        checksum = b"%08x" % google_crc32c.extend(self._crc32c, footer)
        self._sink.write(footer[: place.start(1)] + checksum + footer[place.end(1) :])


@contextlib.contextmanager
def writer(sink: IO[bytes], schema: pa.Schema, **options: Any) -> Iterator[pq.ParquetWriter]:
    """Yield a writer; at the end of the block the file gets its checksum."""
    held = _HeldFooter(sink)
    made = pq.ParquetWriter(held, schema.with_metadata(_without_checksum(schema)), **options)
    try:
        yield made
        made.add_key_value_metadata({KEY: _ZEROS.decode()})
        held.holding = True
    finally:
        made.close()
    held.finish()


def _without_checksum(schema: pa.Schema) -> dict[bytes, bytes]:
    """Return a schema's metadata without the checksum of the file that it was read from."""
    return {name: value for name, value in (schema.metadata or {}).items() if name != KEY.encode()}


def check(path: str) -> None:
    """Raise DamageError if a local file differs from its checksum; a file without one, as others write it, passes.

    The whole file is read, once per process as long as its size and time stay the same.
    """
    status = os.stat(path)
    _check(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1 << 16)
def _check(path: str, size: int, _: int) -> None:
    with open(path, "rb") as handle:
        handle.seek(max(0, size - _TAIL))
        length = int.from_bytes(handle.read(_TAIL)[:4], "little")
        begin = max(0, size - _TAIL - length)
        handle.seek(begin)
        place = _VALUE.search(handle.read())
        if place is None:
            return
        start, found = begin + place.start(1), int(place[1], 16)
        handle.seek(0)
        checksum, at = 0, 0
        while chunk := handle.read(_CHUNK):
            if at <= start < at + len(chunk) or at < start + len(_ZEROS) <= at + len(chunk):
                low, high = max(start - at, 0), min(start + len(_ZEROS) - at, len(chunk))
                chunk = chunk[:low] + _ZEROS[: high - low] + chunk[high:]
            checksum, at = google_crc32c.extend(checksum, chunk), at + len(chunk)
    if checksum != found:
        raise DamageError(
            "has changed since it was written (its checksum differs)",
            where=path,
            remedy="delete it and run the build again",
        )
