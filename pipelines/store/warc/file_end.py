"""Finds whether a WARC ends with a complete record, in time linear in its bytes and in bounded memory."""

import re
import zlib
from typing import IO

from corpusloom.pipelines.store.warc.responses import split_http
from corpusloom.schemas import storage

ZSTD, LZ4, GZIP = b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\x1f\x8b"
MAX_MEMBERS = 10_000
"""Gzip members from the last record on, at most: one is usual, and an attacker's may be empty, with 20 bytes each."""
MAX_BOMB, MAX_RATIO = 100_000_000, 100
"""A record with more than so many bytes, and so many per compressed byte, is not checked: no reader goes so far."""
_READ = 1 << 20
"""Bytes per read of the file, and decompressed bytes per step."""
_SLICE = 1 << 9
"""Bytes of the first step of a member; zlib copies what it leaves over. Later steps double up to `_READ`."""


def cut_at_end(path: str, last: int) -> str | None:
    """Return the damage if a WARC does not end with a complete record, else None; `last`: the last record's offset."""
    with storage.open_input(path) as handle:
        if handle.read(4) in (ZSTD, LZ4):
            return None  # fastwarc itself reports an incomplete frame
        handle.seek(last)
        magic = handle.read(2)
        handle.seek(last)
        if magic == GZIP:
            return _damage_of_members(handle)
        tail = handle.read()
    return None if not tail or _is_whole(tail) else "the last record is cut off"


def _damage_of_members(handle: IO[bytes]) -> str | None:
    """Return the damage of the gzip members from the position of a file to its end, or None."""
    data = memoryview(b"")
    for _ in range(MAX_MEMBERS):
        member, step, begun = zlib.decompressobj(31), _SLICE, False
        consumed = size = 0
        while not member.eof:
            data = data or memoryview(handle.read(_READ))
            fed = data[:step]
            try:
                out = member.decompress(fed, _READ)
            except zlib.error as error:
                return str(error)
            if not fed and not out:
                return "the last gzip member is cut off" if begun else None
            used = len(fed) - len(member.unconsumed_tail) - len(member.unused_data)
            data, consumed, size = data[used:], consumed + used, size + len(out)
            if size > max(MAX_BOMB, MAX_RATIO * consumed):
                return None
            begun, step = True, min(_READ, 2 * step)
    return f"more than {MAX_MEMBERS} gzip members follow the last record"


def _is_whole(record: bytes) -> bool:
    """Return True if an uncompressed record has its whole block and the two line breaks after it."""
    head, rest = split_http(record)
    length = re.search(rb"(?im)^content-length:\s*(\d+)\s*$", head)
    after = 4 if b"\r\n" in head else 0  # records with LF line ends are followed by any number of them
    return len(head) < len(record) and length is not None and len(rest) >= int(length.group(1)) + after
