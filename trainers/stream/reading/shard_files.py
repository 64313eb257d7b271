"""Reads members of samples: pread on local tars, range requests elsewhere; no name in a tar becomes a path."""

import hashlib
import os
import threading
from collections.abc import Sequence
from typing import Protocol

import google_crc32c

from corpusloom.schemas import storage
from corpusloom.schemas.addresses import AddressPolicy
from corpusloom.schemas.errors import DamageError
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.reading.cache import BlockCache
from corpusloom.trainers.stream.reading.index import MAX_MEMBER_BYTES, MEMBER, ShardIndex
from corpusloom.trainers.stream.reading.remote_files import RetryConfig
from corpusloom.trainers.stream.reading.remote_shards import RemoteShard

BLOCK = 512
MAX_HEADER = 1 << 13
"""Bytes before a member in which a long name of it is looked for."""
OPEN_SHARDS = 128


class ShardReader(Protocol):
    """Reads ranges of one tar."""

    @property
    def identity(self) -> tuple[object, ...]:
        """Values that change if another file replaces this one."""

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly `size` bytes from `offset`; SampleError("truncated") if there are fewer."""

    def close(self) -> None:
        """Close the file."""


class LocalShard:
    """A tar on a local disk; a shard that is replaced while it is open is read in its old version."""

    def __init__(self, shard: ShardIndex) -> None:
        self._descriptor = -1
        try:
            self._descriptor = os.open(shard.path.removeprefix("file://"), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DamageError(error.strerror or str(error), where=shard.path, remedy="run loom verify") from error
        status = os.fstat(self._descriptor)
        self.identity: tuple[object, ...] = status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
        if status.st_size != shard.tar_bytes:
            self.close()
            raise DamageError(
                f"{status.st_size} bytes, {shard.tar_bytes} in the manifest",
                where=shard.path,
                remedy="run loom verify",
            )

    def read(self, offset: int, size: int) -> bytes:
        """Return a range of the tar."""
        data = os.pread(self._descriptor, size, offset)
        if len(data) != size:
            raise SampleError("truncated", f"{len(data)} of {size} bytes at {offset}")
        return data

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()


class ShardFiles:
    """The open tars of a loader, at most `limit`; the one opened first is closed first. Safe for threads.

    A tar is closed when no thread reads from it any more. A tar that is opened again must still be the same file.
    """

    def __init__(
        self,
        limit: int = OPEN_SHARDS,
        *,
        cache: BlockCache | None = None,
        retry: RetryConfig | None = None,
        policy: AddressPolicy | None = None,
    ) -> None:
        self._limit, self._lock = limit, threading.Lock()
        self._cache, self._retry, self._policy = cache, retry, policy
        self._open: dict[str, ShardReader] = {}
        self._identities: dict[str, int] = {}

    def get(self, shard: ShardIndex) -> ShardReader:
        """Return the reader of a shard; its first and last sample are checked when it is opened."""
        reader = self._open.get(shard.path)
        return reader if reader is not None else self._add(shard)

    def _add(self, shard: ShardIndex) -> ShardReader:
        reader: ShardReader = (
            LocalShard(shard)
            if storage.is_local(shard.path)
            else RemoteShard(shard, retry=self._retry, cache=self._cache, policy=self._policy)
        )
        for row in {0, len(shard) - 1}:
            check_header(reader, shard, row)
        identity = hash(reader.identity)
        with self._lock:
            if self._identities.setdefault(shard.path, identity) != identity:
                raise DamageError("was replaced while it was read", where=shard.path, remedy="run loom verify")
            while len(self._open) >= self._limit:
                del self._open[next(iter(self._open))]
            return self._open.setdefault(shard.path, reader)

    def close(self) -> None:
        """Close all tars."""
        with self._lock:
            for reader in self._open.values():
                reader.close()
            self._open.clear()


def check_header(reader: ShardReader, shard: ShardIndex, row: int) -> None:
    """Raise DamageError unless a header with the sample's key precedes the offset in the sidecar."""
    member, key = shard.starts[row], shard.key(row)
    if member == shard.starts[row + 1] or not key.isascii() or len(key) > 90 or "\\" in key:
        return  # no member, or a long or escaped name, which is not in this header
    offset = shard.member(member)[0]
    name = reader.read(offset - BLOCK, 100) if offset >= BLOCK else b""
    beginning = f"{key.rpartition('/')[2]}.".encode()
    if not name.rpartition(b"/")[2].startswith(beginning) and beginning not in _long_name(reader, offset):
        raise DamageError(
            f"sample {key} is not where the sidecar says: the sidecar belongs to another tar",
            where=shard.path,
            remedy="run loom verify",
        )


def _long_name(reader: ShardReader, offset: int) -> bytes:
    """Return the PAX or GNU header that gives the member at an offset its name, or nothing if it has none."""
    start = max(0, offset - MAX_HEADER)
    blocks = reader.read(start, offset - BLOCK - start) if offset > BLOCK else b""
    for at in range(len(blocks) - 2 * BLOCK, -1, -BLOCK):
        header = blocks[at : at + BLOCK]
        if header[257:262] == b"ustar" and header[156:157] in (b"x", b"L"):
            return blocks[at + BLOCK :]  # the nearest one; its data lie between it and the member's own header
    return b""


def read_members(reader: ShardReader, shard: ShardIndex, row: int, *, check: bool = False) -> dict[str, bytes]:
    """Return the members of a sample that are on the allow-list: field -> bytes.

    Members that lie close together are read at once and then cut apart. `check` compares the crc32c of those that
    have one, and raises SampleError("checksum_differs") for another.
    """
    starts, table, fields = shard.starts, shard.members, shard.fields
    index, last = starts[row], starts[row + 1]
    members: dict[str, bytes] = {}
    check = check and shard.checksums
    while index < last:
        offset, size, total, run, code, checksum = MEMBER.unpack_from(table, index * MEMBER.size)
        if total > MAX_MEMBER_BYTES:
            raise SampleError("member_too_large", f"{total} bytes")
        data = reader.read(offset, total)
        if run == 1:
            members[fields[code]] = data
            if check and google_crc32c.value(data) != checksum and fields[code]:
                raise _differs(fields[code])
        else:
            for at in range(index, index + run):
                place, size, _, _, code, checksum = MEMBER.unpack_from(table, at * MEMBER.size)
                place -= offset
                members[fields[code]] = part = data[place : place + size]
                if check and google_crc32c.value(part) != checksum and fields[code]:
                    raise _differs(fields[code])
        index += run
    members.pop("", None)
    return members


def _differs(field: str) -> SampleError:
    return SampleError("checksum_differs", f"the bytes of {field} have changed since they were written")


def verify_members(shard: ShardIndex, row: int, members: dict[str, bytes], digests: Sequence[str]) -> None:
    """Raise SampleError("hash_differs") if a member's bytes are not those that were written."""
    for at, digest in zip(range(shard.starts[row], shard.starts[row + 1]), digests, strict=True):
        data = members.get(shard.fields[shard.member(at)[4]])
        if data is not None and digest and hashlib.sha256(data).hexdigest() != digest:
            raise SampleError("hash_differs", shard.fields[shard.member(at)[4]])
