"""A dataset's index: which sample lies where, as arrays read from the sidecars, never as Python lists."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas import layout, storage, tables
from schemas.errors import DamageError, InputError
from schemas.manifest import Manifest, read_manifest


@dataclass
class ShardIndex:
    """One shard's sidecar in memory, loaded when first asked for."""

    dataset: str
    tar: str
    sidecar: str
    samples: int
    split: str | None = None

    @cached_property
    def _table(self) -> pa.Table:
        path = storage.join(self.dataset, self.sidecar)
        table = tables.read_table(path, ["key", "split", "members"])
        if self.split is not None:
            table = table.filter(pc.equal(table["split"], self.split))
        if table.num_rows != self.samples:
            raise DamageError(
                f"holds {table.num_rows} samples, not {self.samples}", where=path, remedy="loom verify the dataset"
            )
        return table.combine_chunks()

    @cached_property
    def _members(self) -> tuple[np.ndarray, list[str], np.ndarray, np.ndarray]:
        members = self._table["members"].combine_chunks()
        flat = pc.list_flatten(members)
        starts = np.concatenate([[0], np.cumsum(np.asarray(pc.list_value_length(members)))])
        return starts, flat.field("field").to_pylist(), np.asarray(flat.field("offset")), np.asarray(flat.field("size"))

    def key(self, row: int) -> str:
        """Return a sample's key."""
        return str(self._table["key"][row])

    def members(self, row: int) -> list[tuple[str, int, int]]:
        """Return field, offset and size in bytes of a sample's members that a reader opens."""
        starts, fields, offsets, sizes = self._members
        span = range(int(starts[row]), int(starts[row + 1]))
        return [
            (fields[i], int(offsets[i]), int(sizes[i]))
            for i in span
            if layout.extension_of(fields[i]) in layout.EXTENSIONS
        ]


@dataclass
class DatasetIndex:
    """A dataset as its shards; samples are numbered in the order of shards and keys."""

    path: str
    split: str | None = None
    """Only samples of this part; None takes all."""
    manifest: Manifest = field(init=False)
    shards: list[ShardIndex] = field(init=False)
    _ends: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.manifest = read_manifest(self.path)
        self.shards = [
            ShardIndex(
                self.path,
                shard.tar.name,
                shard.sidecar.name,
                self._count(shard.sidecar.name, shard.samples),
                self.split,
            )
            for shard in self.manifest.shards
        ]
        self._ends = np.cumsum([shard.samples for shard in self.shards], dtype=np.int64)
        if not len(self):
            raise InputError("holds no sample", where=self.path, remedy="loom stats shows why records were rejected")

    def _count(self, sidecar: str, samples: int) -> int:
        if self.split is None:
            return samples
        column = tables.read_table(storage.join(self.path, sidecar), ["split"])["split"]
        return int(pc.sum(pc.equal(column, self.split)).as_py() or 0)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def kind(self) -> str:
        """Return what the samples are: interleaved, pairs, clips or regions."""
        return self.manifest.kind

    def locate(self, sample: int) -> tuple[ShardIndex, int]:
        """Return a sample's shard and its row there."""
        shard = int(np.searchsorted(self._ends, sample, side="right"))
        return self.shards[shard], int(sample - (self._ends[shard - 1] if shard else 0))
