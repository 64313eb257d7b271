"""Writes deterministic tars, byte for byte equal to those of `webdataset.TarWriter(mtime=0)`, but faster."""

import contextlib
import hashlib
import itertools
import os
import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, NamedTuple

import google_crc32c

from corpusloom.schemas import layout, storage

BLOCK = 512
RECORD = 20 * BLOCK
_MODE = 0o444
_OWNER = b"bigdata"


class MemberPlace(NamedTuple):
    """A member's field, the offset and size of its data in bytes, and the hashes of the data."""

    field: str
    offset: int
    size: int
    sha256: str
    crc32c: int


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """A tar that was written."""

    sha256: str
    bytes: int
    samples: tuple[tuple[str, tuple[MemberPlace, ...]], ...]
    """(key, places of its members) of each sample."""


_TAIL = b"ustar\x0000" + _OWNER.ljust(32, b"\0") + _OWNER.ljust(32, b"\0")
_PAD = bytes(100)
"""The empty link name of a header."""
_AFTER_NAME = b"%07o\0" % _MODE + b"0000000\x000000000\x00"
_SUM = sum(_AFTER_NAME) + sum(b"%011o\x00" % 0) + sum(b" " * 8 + b"0") + sum(_TAIL)
CHUNK = 1 << 20
"""Bytes per write; smaller pieces are buffered."""
SYNC = 16 << 20
"""Bytes between two flushes to the disk, which run in a thread of their own."""
WAITING = 8
"""Maximum number of chunks that wait for the writing thread."""


def header(name: str, size: int) -> bytes:
    """Return a member's header: one ustar block, or tarfile's PAX header if name or size does not fit."""
    encoded = name.encode()
    if len(encoded) > 100 or not name.isascii() or size >= 1 << 33:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode, info.uname, info.gname = size, 0, _MODE, "bigdata", "bigdata"
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
    digits = b"%011o\x00" % size
    total = b"%06o\0 0" % (_SUM + sum(encoded) + sum(digits))
    name_field, start = encoded.ljust(100, b"\0"), _AFTER_NAME + digits + b"00000000000\x00" + total
    return b"".join((name_field, start, _PAD, _TAIL)).ljust(BLOCK, b"\0")


class _Output:
    """An open tar that is hashed, written and flushed by threads of its own, while members are made.

    Hashing and writing release the interpreter lock, so on two cores they take no time from the calling thread.
    """

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle, self._digest = handle, hashlib.sha256()
        self._pieces: list[bytes] = []
        self._held = 0
        self._unsynced = 0
        self._writer, self._syncer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._written: deque[Future[None]] = deque()
        self._synced: Future[None] | None = None
        self.bytes = 0

    def add(self, *pieces: bytes) -> None:
        """Add bytes."""
        size = sum(map(len, pieces))
        self._pieces += pieces
        self._held += size
        self.bytes += size
        if self._held >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """Pass the buffered bytes to the writing thread; wait if too many chunks are queued."""
        self._written.append(self._writer.submit(self._write, self._pieces))
        self._pieces, self._held = [], 0
        while len(self._written) > WAITING:
            self._written.popleft().result()

    def _write(self, pieces: list[bytes]) -> None:
        chunk = b"".join(pieces)
        self._handle.write(chunk)
        self._digest.update(chunk)
        self._unsynced += len(chunk)
        if self._unsynced >= SYNC and (self._synced is None or self._synced.done()):
            self._synced, self._unsynced = self._syncer.submit(_start_sync, self._handle), 0

    def close(self) -> str:
        """Write the rest; return the sha256 of the tar."""
        self.flush()
        for future in self._written:
            future.result()
        return self._digest.hexdigest()

    def stop(self) -> None:
        """End the threads."""
        self._writer.shutdown()
        self._syncer.shutdown()


def _start_sync(handle: IO[bytes]) -> None:
    """Flush a local file to the disk early, so that the final fsync has little left to do."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.fdatasync(handle.fileno())


def write_shard(
    path: str,
    samples: Iterable[tuple[str, Mapping[str, bytes]]],
    on_sample: Callable[[str, tuple[MemberPlace, ...]], None] | None = None,
) -> WrittenShard:
    """Write samples as a tar, atomically, members sorted by field; write nothing if there is no sample.

    Args:
      path: Path of the tar.
      samples: (key, field -> data) of each sample.
      on_sample: Called with the key and the places of each sample, before the next sample is taken.
    """
    iterator = iter(samples)
    first = next(iterator, None)
    if first is None:
        return WrittenShard("", 0, ())
    placed: list[tuple[str, tuple[MemberPlace, ...]]] = []
    with storage.writing(path) as handle, contextlib.ExitStack() as stack:
        output = _Output(handle)
        stack.callback(output.stop)
        for key, fields in itertools.chain((first,), iterator):
            places = tuple(_add_member(output, key, field, fields[field]) for field in sorted(fields))
            placed.append((key, places))
            if on_sample is not None:
                on_sample(key, places)
        output.add(b"\0" * (2 * BLOCK + -(output.bytes + 2 * BLOCK) % RECORD))
        digest = output.close()
    return WrittenShard(digest, output.bytes, tuple(placed))


def _add_member(output: _Output, key: str, field: str, data: bytes) -> MemberPlace:
    """Add one member; return its place."""
    head = header(layout.member_name(key, field), len(data))
    start = output.bytes + len(head)
    output.add(head, data, b"\0" * (-len(data) % BLOCK))
    return MemberPlace(field, start, len(data), hashlib.sha256(data).hexdigest(), google_crc32c.value(data))
