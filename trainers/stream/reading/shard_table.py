"""Compact table of a dataset's shards: under 160 bytes per shard, instead of several Python objects."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

from corpusloom.schemas.records import FileEntry, ShardEntry

_NUMBERS = np.dtype([("index", "<i8"), ("samples", "<i8"), ("tar", "<i8"), ("sidecar", "<i8")])
_HASHES = np.dtype([("tar", "S32"), ("sidecar", "S32")])
_NO_STATS = FileEntry(name="", sha256="", bytes=0)


class ShardTable(Sequence[ShardEntry]):
    """The shards of a manifest in the order of their indexes; an entry is made when it is accessed.

    Four numbers and two hashes per shard are held in arrays, the names of all tars and sidecars in one buffer.
    Statistics and hashes of rows are left out, because no reader needs them.
    """

    def __init__(self, shards: Sequence[Mapping[str, Any]]) -> None:
        """Take the shards as in manifest.json; KeyError, TypeError or ValueError if they are not valid."""
        ordered = sorted(shards, key=lambda shard: int(shard["index"]))
        self._numbers = np.zeros(len(ordered), _NUMBERS)
        self._hashes = np.zeros(len(ordered), _HASHES)
        names: list[bytes] = []
        for at, shard in enumerate(ordered):
            tar, sidecar = shard["tar"], shard["sidecar"]
            self._numbers[at] = shard["index"], shard["samples"], tar["bytes"], sidecar["bytes"]
            self._hashes[at] = bytes.fromhex(tar["sha256"]), bytes.fromhex(sidecar["sha256"])
            names += [tar["name"].encode(), sidecar["name"].encode()]
        self._names = b"".join(names)
        self._ends = np.cumsum([0, *map(len, names)], dtype=np.int64)

    @property
    def samples(self) -> np.ndarray:
        """Number of samples of each shard."""
        return self._numbers["samples"]

    @property
    def tar_bytes(self) -> np.ndarray:
        """Size of each tar."""
        return self._numbers["tar"]

    @property
    def nbytes(self) -> int:
        """Bytes of the table in memory."""
        return self._numbers.nbytes + self._hashes.nbytes + self._ends.nbytes + len(self._names)

    def _name(self, at: int) -> str:
        return self._names[self._ends[at] : self._ends[at + 1]].decode()

    def _hash(self, at: int, kind: str) -> str:
        digest = bytes(self._hashes[at][kind])
        return digest.ljust(32, b"\0").hex() if digest else ""  # numpy strips zeros at the end

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, at: int) -> ShardEntry: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[ShardEntry, ...]: ...
    def __getitem__(self, at: int | slice) -> ShardEntry | tuple[ShardEntry, ...]:
        if isinstance(at, slice):
            return tuple(self[number] for number in range(*at.indices(len(self))))
        index, samples, tar, sidecar = self._numbers[at].tolist()
        at %= len(self)
        return ShardEntry(
            index=index,
            tar=FileEntry(name=self._name(2 * at), sha256=self._hash(at, "tar"), bytes=tar),
            sidecar=FileEntry(name=self._name(2 * at + 1), sha256=self._hash(at, "sidecar"), bytes=sidecar),
            stats=_NO_STATS,
            samples=samples,
        )

    def __iter__(self) -> Iterator[ShardEntry]:
        return (self[at] for at in range(len(self)))
