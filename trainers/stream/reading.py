"""Bytes of samples by place: pread on local tars, range reads elsewhere; nothing of a tar becomes a path."""

import hashlib
import os
import threading
from collections.abc import Sequence
from typing import Protocol

from schemas import storage
from schemas.errors import DamageError
from trainers.stream.errors import SampleError
from trainers.stream.index import MAX_MEMBER_BYTES, ShardIndex

BLOCK = 512
NEAR = 4096
"""Bytes: members that start closer than this to the end of the one before come with the same read."""
OPEN_SHARDS = 128


class ShardReader(Protocol):
    """Reads ranges of one tar."""

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly `size` bytes from `offset`; SampleError truncated when there are fewer."""

    def close(self) -> None:
        """Give up the file."""


class LocalShard:
    """A tar on a local disk: an open descriptor, so that a shard replaced under way is read as it was."""

    def __init__(self, shard: ShardIndex) -> None:
        self._descriptor = -1
        try:
            self._descriptor = os.open(shard.path.removeprefix("file://"), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DamageError(error.strerror or str(error), where=shard.path, remedy="run loom verify") from error
        size = os.fstat(self._descriptor).st_size
        if size != shard.tar_bytes:
            self.close()
            raise DamageError(
                f"{size} bytes, the manifest says {shard.tar_bytes}", where=shard.path, remedy="run loom verify"
            )

    def read(self, offset: int, size: int) -> bytes:
        """Return a range of the tar."""
        data = os.pread(self._descriptor, size, offset)
        if len(data) != size:
            raise SampleError("truncated", f"{len(data)} of {size} bytes at {offset}")
        return data

    def close(self) -> None:
        """Close the descriptor; again is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()


class RemoteShard:
    """A tar on an object store or web server, read by ranges; a failed read is tried again."""

    def __init__(self, shard: ShardIndex, *, attempts: int = 4) -> None:
        self._path, self._attempts = shard.path, attempts

    def read(self, offset: int, size: int) -> bytes:
        """Return a range of the tar."""
        if size == 0:
            return b""
        for attempt in range(self._attempts):
            try:
                data = storage.read_bytes(self._path, offset, offset + size)
            except Exception as error:  # each filesystem raises its own kinds
                if attempt + 1 == self._attempts:
                    raise DamageError(
                        f"{self._attempts} reads failed: {error}", where=self._path, remedy="check the connection"
                    ) from error
                continue
            if len(data) == size:
                return data
        raise SampleError("truncated", f"fewer than {size} bytes at {offset}")

    def close(self) -> None:
        """Nothing is held open."""


class ShardFiles:
    """The open tars of a loader, the oldest given up first; safe for threads.

    A tar that is given up is closed when the last thread inside a read has let go of it.
    """

    def __init__(self, limit: int = OPEN_SHARDS) -> None:
        self._limit, self._lock = limit, threading.Lock()
        self._open: dict[str, ShardReader] = {}

    def get(self, shard: ShardIndex) -> ShardReader:
        """Return the reader of a shard, its first and last sample checked when it is opened."""
        reader = self._open.get(shard.path)
        return reader if reader is not None else self._add(shard)

    def _add(self, shard: ShardIndex) -> ShardReader:
        reader: ShardReader = LocalShard(shard) if storage.is_local(shard.path) else RemoteShard(shard)
        for row in {0, len(shard) - 1}:
            check_header(reader, shard, row)
        with self._lock:
            while len(self._open) >= self._limit:
                del self._open[next(iter(self._open))]
            return self._open.setdefault(shard.path, reader)

    def close(self) -> None:
        """Close all."""
        with self._lock:
            for reader in self._open.values():
                reader.close()
            self._open.clear()


def check_header(reader: ShardReader, shard: ShardIndex, row: int) -> None:
    """Raise DamageError unless the tar has the sample's key before the place that the sidecar names."""
    member, key = shard.starts[row], shard.key(row)
    if member == shard.starts[row + 1] or not key.isascii() or len(key) > 90:
        return  # no member, or an extended header, whose name is elsewhere
    offset = shard.offsets[member]
    name = reader.read(offset - BLOCK, 100) if offset >= BLOCK else b""
    if name.rstrip(b"\0").rpartition(b"/")[2].partition(b".")[0] != key.rpartition("/")[2].encode():
        raise DamageError(
            f"sample {key} is not where the sidecar says: it belongs to another tar",
            where=shard.path,
            remedy="run loom verify",
        )


def read_members(reader: ShardReader, shard: ShardIndex, row: int) -> dict[str, bytes]:
    """Return the members of a sample that are on the allow-list: field -> bytes.

    Members that lie close together come with one read and are copied out of it.
    """
    first, last = shard.starts[row], shard.starts[row + 1]
    offsets, sizes, codes, fields = shard.offsets, shard.sizes, shard.codes, shard.fields
    members: dict[str, bytes] = {}
    index = first
    while index < last:
        begin, end = offsets[index], offsets[index] + sizes[index]
        stop = index + 1
        if end - begin <= NEAR:
            while stop < last and 0 <= offsets[stop] - end <= NEAR and sizes[stop] <= NEAR:
                end = offsets[stop] + sizes[stop]
                stop += 1
        if end - begin > MAX_MEMBER_BYTES:
            raise SampleError("member_too_large", f"{end - begin} bytes")
        data = reader.read(begin, end - begin)
        if stop == index + 1:
            _add(members, fields[codes[index]], data)
        else:
            for at in range(index, stop):
                start = offsets[at] - begin
                _add(members, fields[codes[at]], data[start : start + sizes[at]])
        index = stop
    return members


def _add(members: dict[str, bytes], field: str, data: bytes) -> None:
    if field:
        members[field] = data


def verify_members(shard: ShardIndex, row: int, members: dict[str, bytes], digests: Sequence[str]) -> None:
    """Raise SampleError hash_differs when a member's bytes are not those that were written."""
    for at, digest in zip(range(shard.starts[row], shard.starts[row + 1]), digests, strict=True):
        data = members.get(shard.fields[shard.codes[at]])
        if data is not None and digest and hashlib.sha256(data).hexdigest() != digest:
            raise SampleError("hash_differs", shard.fields[shard.codes[at]])
