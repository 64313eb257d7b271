"""Deterministic tars: byte for byte what `webdataset.TarWriter(mtime=0)` writes for the same members, only faster."""

import contextlib
import hashlib
import itertools
import os
import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

from corpusloom.schemas import layout, storage

BLOCK = 512
RECORD = 20 * BLOCK
_MODE = 0o444
_OWNER = b"bigdata"

MemberPlace = tuple[str, int, int, str]
"""Field, offset and size of a member's data in bytes, sha256 of it."""


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """A tar that was written: its hash and size, and where each member of each sample lies."""

    sha256: str
    bytes: int
    samples: tuple[tuple[str, tuple[MemberPlace, ...]], ...]


_TAIL = b"ustar\x0000" + _OWNER.ljust(32, b"\0") + _OWNER.ljust(32, b"\0")
_PAD = bytes(100)
"""The name of a link: none."""
_AFTER_NAME = b"%07o\0" % _MODE + b"0000000\x000000000\x00"
_SUM = sum(_AFTER_NAME) + sum(b"%011o\x00" % 0) + sum(b" " * 8 + b"0") + sum(_TAIL)
CHUNK = 1 << 20
"""Bytes that go to the writing thread at once."""
SYNC = 16 << 20
"""Bytes after which what is written starts on its way to the disk, while the next are made."""
WAITING = 8
"""Chunks that may wait for the writing thread."""


def header(name: str, size: int) -> bytes:
    """Return a member's header: one ustar block, or what tarfile writes where name or size do not fit."""
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
    """A tar on its way out: hashed, written and sent to the disk by threads of its own, while members are made.

    Both hashing and writing leave the interpreter to others, so on two cores they cost no time of the maker's.
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
        """Hand over what is held; wait where the thread is behind."""
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
        """Write the rest; return the hash of everything."""
        self.flush()
        for future in self._written:
            future.result()
        return self._digest.hexdigest()

    def stop(self) -> None:
        """End the threads."""
        self._writer.shutdown()
        self._syncer.shutdown()


def _start_sync(handle: IO[bytes]) -> None:
    """Send a local file's bytes to the disk; the last sync, which counts, has then little left to do."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.fdatasync(handle.fileno())


def write_shard(
    path: str,
    samples: Iterable[tuple[str, Mapping[str, bytes]]],
    on_sample: Callable[[str, tuple[MemberPlace, ...]], None] | None = None,
) -> WrittenShard:
    """Write samples as a tar, atomically, members in the order of their fields; nothing when there is no sample.

    Args:
      path: Where it goes.
      samples: Key and fields of each.
      on_sample: Called with the key and the places of each sample, before the next is asked for.
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
    return field, start, len(data), hashlib.sha256(data).hexdigest()
