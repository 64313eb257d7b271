"""The Parquet files of a sidecar of embeddings: images/, texts/, scores/ and skipped.parquet.

An embedding is a value of 2 * width bytes: float16, little endian. It is stored without compression, which saves
little on floats, and is read 20 times as fast as a list of numbers.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.images.embeddings.manifest import NAME, REMEDY

IDENTITY, SKIPPED = b"corpusloom.embeddings", b"corpusloom.skipped"
"""Keys of a part's metadata: the identity of its embeddings, and the rows of the ledger that belong to it."""
EMBEDDING = "embedding"
KINDS = ("images", "texts", "scores")
"""Folders of parts."""
SKIPPED_TABLE = "skipped.parquet"
"""Name of the ledger of what has no embedding."""
_TEXT = pa.string()
IMAGE_COLUMNS = {"sha256": _TEXT, "key": _TEXT, "field": _TEXT, "shard": pa.int32()}
"""sha256 of the image as fetched; key, field and shard number of the member that shows it first."""
TEXT_COLUMNS = {"sha256": _TEXT}
"""sha256 of the text as UTF-8."""
SCORES = pa.schema(
    [
        pa.field("key", _TEXT, nullable=False),
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
        pa.field("image_sha256", _TEXT, nullable=False),
        pa.field("text_sha256", _TEXT),
        pa.field("score", pa.float32()),
    ]
)
"""One row per pair, in the dataset's order: its shard's number, its row in that shard's sidecar, and the cosine of its
image's and its text's embeddings, null if one of them is missing."""
SKIPPED_ROWS = pa.schema([pa.field(name, _TEXT, nullable=False) for name in ("sha256", "key", "field", "reason")])


@dataclass(frozen=True, slots=True, order=True)
class SkippedMember:
    """An image or text without an embedding."""

    number: int
    """Number among the distinct images or texts of the dataset; -1 for a text that cannot be read."""
    sha256: str
    key: str
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one file of embeddings."""

    columns: pa.Table
    """All columns except the embeddings."""
    embeddings: np.ndarray
    """(rows, width) float16, read-only."""
    skipped: tuple[SkippedMember, ...]

    def __len__(self) -> int:
        return len(self.embeddings)


def part_name(kind: str, number: int) -> str:
    """Return the name of a part: images/00000.parquet."""
    return f"{kind}/{number:05d}.parquet"


def write_part(
    path: str, columns: pa.Table, embeddings: np.ndarray, identity: str, skipped: Sequence[SkippedMember]
) -> None:
    """Write a part, atomically: `columns` beside embeddings (rows, width)."""
    rows, width = embeddings.shape
    data = pa.py_buffer(np.ascontiguousarray(embeddings, "<f2").tobytes())
    values = pa.FixedSizeBinaryArray.from_buffers(pa.binary(2 * width), rows, [None, data])
    plain = [[item.number, item.sha256, item.key, item.field, item.reason] for item in skipped]
    table = columns.append_column(pa.field(EMBEDDING, values.type, nullable=False), values)
    metadata = {IDENTITY: identity, SKIPPED: json.dumps(plain)}
    tables.write_table(path, table.replace_schema_metadata(metadata), row_group_rows=max(rows, 1), raw=(EMBEDDING,))


def read_part(path: str) -> Part:
    """Read a part; DamageError if its file is damaged, or holds no embeddings."""
    table = tables.read_table(path)
    if EMBEDDING not in table.column_names or not pa.types.is_fixed_size_binary(table.schema.field(EMBEDDING).type):
        raise DamageError("holds no embeddings", where=path, remedy=REMEDY)
    array = table.column(EMBEDDING).combine_chunks()
    width = array.type.byte_width // 2
    matrix = np.frombuffer(array.buffers()[1], "<f2", len(array) * width, array.offset * array.type.byte_width)
    return Part(table.drop_columns([EMBEDDING]), matrix.reshape(len(array), width), _skipped_of(table.schema))


def identity_of(path: str) -> str:
    """Return the identity of a part's embeddings; empty if it names none."""
    with tables.open_parquet(path) as file:
        return (file.schema_arrow.metadata or {}).get(IDENTITY, b"").decode()


def skipped_in(path: str) -> tuple[SkippedMember, ...]:
    """Return the images or texts that a part lacks."""
    with tables.open_parquet(path) as file:
        return _skipped_of(file.schema_arrow)


def _skipped_of(schema: pa.Schema) -> tuple[SkippedMember, ...]:
    plain = json.loads((schema.metadata or {}).get(SKIPPED, b"[]"))
    return tuple(SkippedMember(*row) for row in plain)


def write_skipped(folder: str, skipped: Sequence[SkippedMember]) -> None:
    """Write skipped.parquet, the ledger of what has no embedding."""
    columns = {name: [getattr(item, name) for item in skipped] for name in SKIPPED_ROWS.names}
    tables.write_table(storage.join(folder, SKIPPED_TABLE), pa.table(columns, schema=SKIPPED_ROWS))


def delete_embeddings(folder: str) -> bool:
    """Delete the files of a sidecar, finished or not, and no other file; return whether there were any."""
    names = [name for name in (NAME, SKIPPED_TABLE) if storage.exists(storage.join(folder, name))]
    names += [
        f"{kind}/{name}"
        for kind in KINDS
        for name in storage.listing(storage.join(folder, kind), ".parquet")
        if identity_of(storage.join(folder, kind, name))
    ]
    for name in names:  # embeddings.json first, so that a partly deleted sidecar never counts as finished
        storage.remove(storage.join(folder, name))
    return bool(names)
