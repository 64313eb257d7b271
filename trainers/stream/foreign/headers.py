"""Reads the headers of a tar: name, place and size of each member, whatever program and locale wrote the names."""

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import google_crc32c

from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError

_CHUNK = 1 << 20
GZIP = b"\x1f\x8b"
_NAMES: Any = {"encoding": "utf-8", "errors": "backslashreplace"}
"""How names are decoded: a byte that is not UTF-8 becomes `\\xe9`, so that every name is a text and stays its own."""


@dataclass(frozen=True, slots=True)
class Header:
    """One regular member of a tar."""

    name: str
    offset: int
    """Offset of its data in the tar, in bytes."""
    size: int
    """Size of its data, in bytes."""
    sha256: str = ""
    """SHA-256 of its data; empty if the data were not read."""
    crc32c: int | None = None
    """CRC-32C of its data; None if the data were not read."""


def read_headers(tar: str, hashes: bool) -> Iterator[Header]:
    """Yield the regular members of a tar; with `hashes` their data are read too."""
    length = storage.size(tar)
    with storage.open_input(tar) as handle:
        try:
            with tarfile.open(fileobj=handle, mode="r:", **_NAMES) as archive:
                for info in archive:
                    archive.members = []  # type: ignore[attr-defined]
                    if not info.isreg() or info.issparse():
                        continue
                    if info.offset_data + info.size > length:
                        raise DamageError(f"the tar ends inside {info.name}", where=tar, remedy="fetch it again")
                    yield Header(info.name, info.offset_data, info.size, *(_hash(archive, info) if hashes else ()))
        except (tarfile.TarError, EOFError) as error:
            packed = storage.read_bytes(tar, 0, 2) == GZIP
            remedy = "decompress it: gzip has no byte ranges" if packed else "fetch it again"
            raise DamageError(f"not a readable tar: {error}", where=tar, remedy=remedy) from error


def _hash(archive: tarfile.TarFile, info: tarfile.TarInfo) -> tuple[str, int]:
    """Return the SHA-256 and the CRC-32C of a member's data."""
    member = archive.extractfile(info)
    assert member is not None, "regular members have a file"
    digest, checksum = hashlib.sha256(), 0
    while chunk := member.read(_CHUNK):
        digest.update(chunk)
        checksum = google_crc32c.extend(checksum, chunk)
    return digest.hexdigest(), checksum
