"""Deterministic tars: byte-equal to `webdataset.TarWriter(mtime=0)`, with the place and hash of every member.

Fields sorted, mode 0444, owner bigdata, mtime 0, ustar headers. The header is filled in by hand, since tarfile's
costs more than hashing a small member; a name that is not plain ASCII of at most 100 bytes goes to tarfile.
"""

import hashlib
import tarfile
from collections.abc import Iterable, Mapping
from typing import IO, Any, NamedTuple

from schemas import storage
from schemas.errors import InputError
from schemas.layout import member_name

BLOCK = 512
RECORD = tarfile.RECORDSIZE
_MAX_SIZE = 8**11 - 1
_OWNER = b"bigdata"
_AFTER_CHECKSUM = (b"0" + bytes(100) + b"ustar\x0000" + _OWNER.ljust(32, b"\0") + _OWNER.ljust(32, b"\0")).ljust(
    BLOCK - 156, b"\0"
)
_BEFORE_SIZE = b"0000444\0" + b"0000000\0" * 2
_MTIME = b"00000000000\0"
_CONSTANT_SUM = sum(_AFTER_CHECKSUM) + sum(_BEFORE_SIZE) + sum(_MTIME) + 8 * ord(" ")


class WrittenMember(NamedTuple):
    """A member as it lies in the tar: its data's offset and size in bytes, and the sha256 of its bytes."""

    field: str
    offset: int
    size: int
    sha256: str


class WrittenShard(NamedTuple):
    """What `write_shard` wrote: each sample's members in tar order, and the tar's own hash and size in bytes."""

    samples: list[tuple[str, list[WrittenMember]]]
    sha256: str
    bytes: int


def member_header(name: str, size: int) -> bytes:
    """Return the header of a regular file as webdataset writes it with mtime 0: 512 bytes, more for a long name."""
    if len(name) > 100 or size > _MAX_SIZE or not name.isascii():
        return _extended_header(name, size)
    encoded = name.encode("ascii")
    octal = b"%011o\0" % size
    checksum = _CONSTANT_SUM + sum(encoded) + sum(octal)
    return b"".join(
        (encoded.ljust(100, b"\0"), _BEFORE_SIZE, octal, _MTIME, b"%06o\0 " % checksum, _AFTER_CHECKSUM),
    )


def _extended_header(name: str, size: int) -> bytes:
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise InputError(f"member name {name!r} holds a lone surrogate", remedy="clean the key first")
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.uname, info.gname = size, 0o444, "bigdata", "bigdata"
    return info.tobuf(tarfile.PAX_FORMAT)


class _Hashed:
    """A sink that counts and hashes what goes through it."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle, self._digest, self.position = handle, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        self._handle.write(data)
        self._digest.update(data)
        self.position += len(data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _write_member(sink: _Hashed, key: str, field: str, data: bytes) -> WrittenMember:
    sink.write(member_header(member_name(key, field), len(data)))
    offset = sink.position
    sink.write(data)
    sink.write(bytes(-len(data) % BLOCK))
    return WrittenMember(field, offset, len(data), hashlib.sha256(data).hexdigest())


def _check_sample(key: str, previous: str, fields: Mapping[str, Any]) -> None:
    if not key or "." in key or key == previous:
        problem = "repeats the one before" if key == previous else "is empty or holds a dot"
        raise InputError(f"key {key!r} {problem}", remedy="readers split a name at its first dot and group by key")
    for field in fields:
        if not field or field.startswith("_") or "/" in field or field != field.lower():
            raise InputError(f"field {field!r} of {key} is not one that readers find again")
    if not fields:
        raise InputError(f"sample {key} has no members")


def write_shard(path: str, samples: Iterable[tuple[str, Mapping[str, bytes]]]) -> WrittenShard:
    """Write samples, (key, {field: bytes}) in the order given, as one tar, atomically.

    Unpacks as (samples, sha256, bytes). No samples is an InputError: an empty tar is one that readers refuse.
    """
    written: list[tuple[str, list[WrittenMember]]] = []
    previous = ""
    with storage.writing(path) as handle:
        sink = _Hashed(handle)
        for key, fields in samples:
            _check_sample(key, previous, fields)
            written.append((key, [_write_member(sink, key, field, fields[field]) for field in sorted(fields)]))
            previous = key
        if not written:
            raise InputError("a shard without samples", where=path, remedy="leave the shard out of the dataset")
        sink.write(bytes(2 * BLOCK))
        sink.write(bytes(-sink.position % RECORD))
    return WrittenShard(written, sink.hexdigest(), sink.position)
