"""Index of a dataset's samples: manifest.json and the sidecars as arrays of offsets and sizes in the tars."""

import hashlib
import io
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.layout import EXTENSIONS, extension_of
from corpusloom.schemas.manifest import not_a_manifest, read_plain
from corpusloom.schemas.records import ShardEntry
from corpusloom.trainers.stream.reading.remote_files import RemoteFile
from corpusloom.trainers.stream.reading.scored_rows import ScoredRows, read_scored_rows
from corpusloom.trainers.stream.reading.shard_table import ShardTable

MAX_SAMPLES = 4_000_000
"""Largest number of rows of a sidecar: a sidecar with more is refused, since it would exhaust memory."""
MAX_MEMBER_BYTES = 1 << 28
NEAR = 4096
"""Bytes: a member of up to this size that begins within this distance of the previous member's end is read with it."""
MEMBER = struct.Struct("<qiiiiI")
"""Offset and size of a member, size and number of members of the read that begins with it, its field's number, and
its crc32c."""
_MEMBER = np.dtype(
    [("offset", "<i8"), ("size", "<i4"), ("total", "<i4"), ("run", "<i4"), ("code", "<i4"), ("crc32c", "<u4")]
)
_COLUMNS = ["key", *(f"members.list.element.{name}" for name in ("field", "offset", "size", "crc32c"))]


@dataclass(frozen=True, slots=True, eq=False)
class ShardIndex:
    """The samples of one shard: keys, and each sample's members as a range of the member array."""

    path: str
    tar_bytes: int
    tar_sha256: str
    """sha256 of the tar; empty for a foreign tar that was indexed without hashes."""
    keys: bytes
    """All keys in one string; key i is `keys[key_ends[i] : key_ends[i + 1]]`."""
    key_ends: memoryview
    starts: memoryview
    """int64, samples + 1 of them: sample i has the members from starts[i] up to starts[i + 1]."""
    members: memoryview
    """One packed MEMBER per member, so that a single call unpacks what a read needs."""
    fields: list[str]
    """Distinct fields; "" for a field that is not on the allow-list."""
    ignored: int
    """Number of members whose extension is not on the allow-list."""
    checksums: bool
    """Whether each member has a crc32c; False in datasets of format 1 and in indexes without hashes."""
    hashes: pa.StringArray | None = None
    """stored_sha256 of each member, if bytes are to be verified."""
    rows: np.ndarray | None = None
    """Rows of the split with the least score, ascending; None without either."""

    def __len__(self) -> int:
        return len(self.key_ends) - 1

    def key(self, row: int) -> str:
        """Return the key of a sample."""
        return self.keys[self.key_ends[row] : self.key_ends[row + 1]].decode()

    def member(self, number: int) -> tuple[int, int, int, int, int, int]:
        """Return the values of one member in the order of `MEMBER`."""
        return MEMBER.unpack_from(self.members, number * MEMBER.size)


@dataclass(frozen=True, slots=True, eq=False)
class DatasetIndex:
    """A dataset's shards, and the number of samples of each."""

    path: str
    kind: str
    digest: str
    shards: ShardTable
    counts: np.ndarray
    """int64: samples per shard, of the split alone if there is one."""
    split: str | None = None
    scored: ScoredRows | None = None
    """Rows that a least score keeps; None: all."""

    @property
    def samples(self) -> int:
        """Samples per epoch."""
        return int(self.counts.sum())

    @property
    def identity(self) -> str:
        """The dataset's digest, and the least score if there is one: what a state of a stream depends on."""
        return self.digest if self.scored is None else f"{self.digest} with scores from {self.scored.least}"

    def remote_window(self, block_shards: int) -> int:
        """Return the total bytes of the `block_shards` largest remote tars: that many shards are read together."""
        remote = [not storage.is_local(tar_path(self.path, shard)) for shard in self.shards]
        return int(np.sort(self.shards.tar_bytes[remote])[-block_shards:].sum())


def open_index(path: str, split: str | None = None, min_score: float | None = None) -> DatasetIndex:
    """Read a dataset's manifest; with `split`, also count that split's rows in every sidecar.

    With `min_score` only pairs with at least that score count, as `loom embed` computed it.
    """
    values = read_plain(path)
    try:
        shards = ShardTable(values["shards"])
        kind, digest = str(values["kind"]), str(values["digest"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise not_a_manifest(path, error) from error
    del values  # several times as large as the file
    scored = None if min_score is None else read_scored_rows(path, digest, min_score)
    counts = shards.samples
    if split is not None:
        with ThreadPoolExecutor(8) as pool:
            rows = pool.map(lambda shard: _selected(shard, split_rows(path, shard, split), scored), shards)
            counts = np.fromiter(map(len, rows), np.int64, len(shards))
    elif scored is not None:
        counts = np.fromiter((len(scored.of(shard)) for shard in shards), np.int64, len(shards))
    index = DatasetIndex(path, kind, digest, shards, np.ascontiguousarray(counts), split, scored)
    if not index.samples:
        asked = [f"split {split!r}"] * (split is not None) + [f"a score of {min_score}"] * (min_score is not None)
        remedy = f"no sample has {' and '.join(asked)}" if asked else "loom stats shows why records were rejected"
        raise InputError("holds no sample", where=path, remedy=remedy)
    return index


def _selected(shard: ShardEntry, rows: np.ndarray, scored: ScoredRows | None) -> np.ndarray:
    return rows if scored is None else np.intersect1d(rows, scored.of(shard))


def read_sidecar(path: str, shard: ShardEntry, columns: Sequence[str]) -> pa.Table:
    """Return columns of a shard's sidecar; DamageError if it is not the one that the manifest names."""
    where = storage.join(path, shard.sidecar.name)
    data = storage.read_bytes(where) if storage.is_local(where) else RemoteFile(where).read_all()
    if shard.sidecar.sha256 and hashlib.sha256(data).hexdigest() != shard.sidecar.sha256:
        raise DamageError("the sidecar is not the one that the manifest names", where=where, remedy="run loom verify")
    try:
        # pre_buffer would hand a Python object to Arrow's threads (see corpusloom.schemas.tables)
        file = pq.ParquetFile(io.BytesIO(data), pre_buffer=False)
        if file.metadata.num_rows > MAX_SAMPLES:
            raise DamageError(f"{file.metadata.num_rows} rows in one sidecar", where=where)
        return file.read(columns=list(columns), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DamageError(f"not a readable sidecar: {error}", where=where, remedy="run loom verify") from error


def split_rows(path: str, shard: ShardEntry, split: str) -> np.ndarray:
    """Return the rows of a shard whose split is `split`, ascending."""
    return _rows_of(read_sidecar(path, shard, ["split"]), split)


def _rows_of(table: pa.Table, split: str) -> np.ndarray:
    column = table.column("split").combine_chunks().dictionary_encode()
    names: list[str] = column.dictionary.to_pylist()
    return np.flatnonzero(integers(column.indices) == names.index(split)) if split in names else np.zeros(0, np.int64)


def integers(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return a column of integers without nulls as int64, from its buffer; Arrow's own conversion imports pandas."""
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    plain = whole.cast(pa.int64())
    return np.frombuffer(plain.buffers()[1], np.int64, len(plain), plain.offset * 8)


def tar_path(path: str, shard: ShardEntry) -> str:
    """Return the path of a shard's tar: inside the dataset's folder, or a foreign tar's own path or URL."""
    return storage.resolve(path, shard.tar.name)


def pack_members(
    starts: np.ndarray, offsets: np.ndarray, sizes: np.ndarray, codes: np.ndarray, checksums: np.ndarray
) -> np.ndarray:
    """Return the members as MEMBER rows; small members of a sample that lie close together become one read."""
    count = len(offsets)
    packed = np.zeros(count, dtype=_MEMBER)
    if not count:
        return packed
    ends = offsets + sizes
    joins = np.zeros(count, dtype=bool)  # whether a member is read together with the one before
    gaps = offsets[1:] - ends[:-1]
    joins[1:] = (gaps >= 0) & (gaps <= NEAR) & (sizes[1:] <= NEAR) & (sizes[:-1] <= NEAR)
    firsts = starts[:-1]
    joins[firsts[firsts < count]] = False
    heads = np.flatnonzero(~joins)
    runs = np.diff(np.append(heads, count))
    totals = ends[heads + runs - 1] - offsets[heads]
    packed["offset"], packed["code"], packed["crc32c"] = offsets, codes, checksums
    packed["size"] = np.minimum(sizes, np.iinfo(np.int32).max)
    packed["run"][heads] = runs
    packed["total"][heads] = np.minimum(totals, np.iinfo(np.int32).max)
    return packed


def _checksums(members: pa.StructArray) -> tuple[np.ndarray, bool]:
    """Return the crc32c of each member, and whether each has one."""
    known = members.type.get_field_index("crc32c") >= 0 and not members.field("crc32c").null_count
    if not known:
        return np.zeros(len(members), np.int64), False
    return integers(members.field("crc32c")), True


def read_shard(
    path: str,
    shard: ShardEntry,
    *,
    hashes: bool = False,
    split: str | None = None,
    scored: ScoredRows | None = None,
) -> ShardIndex:
    """Read one shard's sidecar; DamageError if it cannot belong to this tar."""
    where = tar_path(path, shard)
    hashed, divided = ["members.list.element.stored_sha256"] * hashes, ["split"] * (split is not None)
    table = read_sidecar(path, shard, [*_COLUMNS, *hashed, *divided])
    lists = table.column("members").combine_chunks()
    members = lists.flatten()
    encoded = members.field("field").dictionary_encode()
    fields: list[str] = encoded.dictionary.to_pylist()
    offsets, sizes = integers(members.field("offset")), integers(members.field("size"))
    if table.num_rows != shard.samples:
        raise DamageError(f"{table.num_rows} rows for {shard.samples} samples", where=where, remedy="run loom verify")
    if len(offsets) and (offsets.min() < 0 or sizes.min() < 0 or (offsets + sizes).max() > shard.tar.bytes):
        raise DamageError("the sidecar points outside the tar", where=where, remedy="run loom verify")
    allowed = np.asarray([extension_of(field) in EXTENSIONS for field in fields], dtype=bool)
    codes = integers(encoded.indices)
    checksums, checked = _checksums(members)
    starts = np.concatenate([[0], np.cumsum(integers(pc.list_value_length(lists)))])
    rows = None if scored is None else scored.of(shard)
    if split is not None:
        rows = _selected(shard, _rows_of(table, split), scored)
    keys = table.column("key").cast(pa.binary()).to_pylist()
    return ShardIndex(
        path=where,
        tar_bytes=shard.tar.bytes,
        tar_sha256=shard.tar.sha256,
        keys=b"".join(keys),
        key_ends=memoryview(np.cumsum([0, *map(len, keys)], dtype=np.int64).data),
        starts=memoryview(starts.astype(np.int64).data),
        members=memoryview(pack_members(starts, offsets, sizes, codes, checksums).view(np.uint8).data),
        fields=[field if ok else "" for field, ok in zip(fields, allowed, strict=True)],
        ignored=int((~allowed[codes]).sum()) if len(fields) else 0,
        checksums=checked,
        hashes=members.field("stored_sha256") if hashes else None,
        rows=rows,
    )
