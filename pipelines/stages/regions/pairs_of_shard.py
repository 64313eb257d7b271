"""Reads the pairs of a shard, whose images become regions."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from corpusloom.schemas import layout, storage, tables
from corpusloom.schemas.records import ShardEntry, SidecarRow


@dataclass(frozen=True, slots=True)
class ReadPair:
    """A pair as read from its shard."""

    row: SidecarRow
    members: dict[str, bytes]

    @property
    def image(self) -> bytes:
        """Return the bytes of the image."""
        return next(data for name, data in self.members.items() if layout.extension_of(name) in layout.IMAGE_EXTENSIONS)

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the image, 64 hex digits."""
        return hashlib.sha256(self.image).hexdigest()


def read_pairs(source: str, shard: ShardEntry, limit: int | None) -> Iterator[ReadPair]:
    """Yield the pairs of a shard, whose members are found through its sidecar."""
    tar = storage.join(source, shard.tar.name)
    for number, row in enumerate(tables.read_records(storage.join(source, shard.sidecar.name), SidecarRow)):
        if limit is not None and number >= limit:
            return
        parts = {m.field: storage.read_bytes(tar, m.offset, m.offset + m.size) for m in row.members}
        yield ReadPair(row, parts)
