"""Reads and writes Parquet (the only writer), and hashes rows for dataset digests.

The same rows give the same file: they are sorted, chunks are combined, row groups and codec are fixed. Digests do not
depend on that: `rows_digest` hashes the values, so that another version of pyarrow gives the same digest.
"""

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import IO, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpusloom.schemas import arrow, storage
from corpusloom.schemas.errors import DamageError, raise_shortage
from corpusloom.schemas.guards import parquet_checksums

T = TypeVar("T")

ROW_GROUP_ROWS = 10_000
UNHASHED = frozenset({"crc32c"})
"""Fields of structs that `rows_digest` leaves out, so that format versions 1 and 2 of a dataset have one digest."""


def sort_rows(table: pa.Table, by: Sequence[str]) -> pa.Table:
    """Return the rows in the order of the columns `by`, nulls last, chunks combined."""
    if not by or not table.num_rows:
        return table.combine_chunks()
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in by])
    return table.take(order).combine_chunks()


_WRITTEN: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 3,
    "version": "2.6",
    "data_page_size": 1 << 20,
    "write_statistics": True,
}
"""Options with which every Parquet file is written."""


def encode_table(
    table: pa.Table, *, sort_by: Sequence[str] = (), row_group_rows: int = ROW_GROUP_ROWS, raw: Sequence[str] = ()
) -> bytes:
    """Return the Parquet file of a table, rows sorted; the columns `raw` as they are in memory, without compression."""
    sink = io.BytesIO()
    whole = sort_rows(table, sort_by)
    with parquet_checksums.writer(sink, whole.schema, **_WRITTEN | _raw(whole.schema, raw)) as writer:
        writer.write_table(whole, row_group_size=row_group_rows)
    return sink.getvalue()


def _raw(schema: pa.Schema, columns: Sequence[str]) -> dict[str, Any]:
    """Return the options of a writer that neither compresses nor encodes some columns."""
    if not columns:
        return {}
    others = [name for name in schema.names if name not in columns]
    codecs = dict.fromkeys(columns, "NONE") | dict.fromkeys(others, "zstd")
    return {
        "compression": codecs, "compression_level": dict.fromkeys(others, 3), "use_dictionary": others,
        "write_statistics": others,
    }  # fmt: skip


def write_stream(path: str, schema: pa.Schema, parts: Iterable[pa.Table]) -> int:
    """Write sorted tables one after the other, atomically; return the number of rows.

    The file has the same bytes as `write_table` gives for all rows at once. At most two row groups are in memory at a
    time, beside a part.
    """
    rows = 0
    with storage.writing(path) as handle, parquet_checksums.writer(handle, schema, **_WRITTEN) as writer:
        for group in _row_groups(parts):
            writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
            rows += group.num_rows
        if not rows:
            writer.write_table(schema.empty_table(), row_group_size=ROW_GROUP_ROWS)
    return rows


def _row_groups(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the rows of all tables as tables of ROW_GROUP_ROWS rows; the last one may have fewer."""
    held: list[pa.Table] = []
    rows = 0
    for part in parts:
        held.append(part)
        rows += part.num_rows
        if rows >= ROW_GROUP_ROWS:
            whole = pa.concat_tables(held)
            for start in range(0, rows - rows % ROW_GROUP_ROWS, ROW_GROUP_ROWS):
                yield whole.slice(start, ROW_GROUP_ROWS).combine_chunks()
            held, rows = [whole.slice(rows - rows % ROW_GROUP_ROWS)], rows % ROW_GROUP_ROWS
    if rows:
        yield pa.concat_tables(held).combine_chunks()


def write_table(
    path: str,
    table: pa.Table,
    *,
    sort_by: Sequence[str] = (),
    row_group_rows: int = ROW_GROUP_ROWS,
    raw: Sequence[str] = (),
) -> bytes:
    """Write a table as Parquet, atomically; return the bytes written. `raw` as in `encode_table`."""
    data = encode_table(table, sort_by=sort_by, row_group_rows=row_group_rows, raw=raw)
    storage.write_bytes(path, data)
    return data


def write_records(path: str, cls: type, records: Iterable[Any], *, sort_by: Sequence[str] = ()) -> bytes:
    """Write records of one class as Parquet, atomically; return the bytes written."""
    return write_table(path, arrow.to_table(cls, records), sort_by=sort_by)


class _OneThread(pq.ParquetFile):
    """A Parquet file behind a Python object, read only by the calling thread.

    Arrow's own threads hold Python buffers a moment longer than the read lasts. If one of them releases a buffer while
    the interpreter ends, the process aborts ("terminate called without an active exception").
    """

    def read(self, *args: Any, **options: Any) -> pa.Table:
        """Read the whole file."""
        return super().read(*args, **{**options, "use_threads": False})

    def read_row_group(self, *args: Any, **options: Any) -> pa.Table:
        """Read one row group."""
        return super().read_row_group(*args, **{**options, "use_threads": False})

    def iter_batches(self, *args: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches."""
        return super().iter_batches(*args, **{**options, "use_threads": False})


def open_parquet(path: str) -> pq.ParquetFile:
    """Open a Parquet file on any storage; a damaged file is a DamageError that names it."""
    _, inner = storage.filesystem(path)
    handle: IO[bytes] | None = None
    try:
        with _readable(path):
            if storage.is_local(path):
                parquet_checksums.check(inner)
                return pq.ParquetFile(inner)  # Arrow reads it itself: its threads hold no Python object
            handle = storage.open_input(path)
            return _OneThread(handle, pre_buffer=False)
    except DamageError:
        if handle is not None:
            handle.close()
        storage.open_input(path).close()  # a missing or unreadable file raises its own error here
        raise


@contextlib.contextmanager
def _readable(path: str) -> Iterator[None]:
    """Convert Arrow's errors on damaged bytes to a DamageError that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise_shortage(error, path)
        reason = " ".join(str(error).split())  # Arrow's messages may have several lines
        raise DamageError(
            f"not a readable Parquet file: {reason}", where=path, remedy="delete it and run the build again"
        ) from error


def count_rows(path: str) -> int:
    """Return the number of rows of a Parquet file, from its footer."""
    with open_parquet(path) as file:
        return int(file.metadata.num_rows)


def read_table(path: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file as a table."""
    with open_parquet(path) as file, _readable(path):
        return file.read(columns=list(columns) if columns is not None else None)


def read_records(path: str, cls: type[T]) -> Iterator[T]:
    """Yield the records of a Parquet file, one row group in memory at a time; older versions are upgraded."""
    with open_parquet(path) as file:
        for group in range(file.num_row_groups):
            with _readable(path):
                table = file.read_row_group(group)
            yield from arrow.from_table(cls, table, where=path)


Chunks = Callable[[], Iterator[pa.Array]]
"""Returns an iterator over the chunks of an array, each time it is called."""


def rows_digest(table: pa.Table, *, sort_by: Sequence[str]) -> str:
    """Return the sha256 over a table's values, column by column, after sorting by `sort_by`.

    It covers names, types and validity, but no field of `UNHASHED`. It does not depend on chunks, row groups,
    encodings or the padding of nulls.
    Rows with equal values of `sort_by` must be equal, or the digest depends on their order.
    """
    table = sort_rows(table, sort_by)
    return _digest(table.num_rows, table.schema, lambda name: iter(table.column(name).chunks))


def file_digest(path: str) -> str:
    """Return the `rows_digest` of a Parquet file with sorted rows, one row group of one column in memory at a time."""
    with open_parquet(path) as file, _readable(path):

        def chunks(name: str) -> Iterator[pa.Array]:
            for group in range(file.num_row_groups):
                yield from file.read_row_group(group, columns=[name]).column(name).chunks

        return _digest(file.metadata.num_rows, file.schema_arrow, chunks)


def _digest(rows: int, schema: pa.Schema, chunks: Callable[[str], Iterator[pa.Array]]) -> str:
    digest = hashlib.sha256(f"{rows}".encode())
    for name in sorted(schema.names):
        digest.update(f"\n{name}:".encode())
        _update(digest, schema.field(name).type, partial(chunks, name))
    return digest.hexdigest()


def _update(digest: Any, kind: pa.DataType, chunks: Chunks) -> None:
    """Hash one array: its validity and type, then its values with nulls as zero, recursively."""
    _feed_bits(digest, (np.asarray(array.is_valid()) for array in chunks()))
    if pa.types.is_struct(kind):
        digest.update(b"struct")
        hashed = [index for index in range(kind.num_fields) if kind.field(index).name not in UNHASHED]
        for index in sorted(hashed, key=lambda i: kind.field(i).name):
            digest.update(kind.field(index).name.encode() + b":")
            _update(digest, kind.field(index).type, partial(_field_of, chunks, index))
    elif pa.types.is_map(kind):
        digest.update(b"list")
        _feed(digest, (_map_lengths(array) for array in chunks()), "<i8")
        pair = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
        _update(digest, pair, lambda: (pc.list_flatten(array.cast(pa.list_(pair))) for array in chunks()))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        digest.update(b"list")
        _feed(digest, (pc.list_value_length(array).fill_null(0) for array in chunks()), "<i8")
        _update(digest, kind.value_type, lambda: (pc.list_flatten(array) for array in chunks()))
    elif pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        digest.update(b"bytes")
        _feed(digest, (pc.binary_length(_plain_bytes(array)) for array in chunks()), "<i8")
        for array in chunks():
            digest.update(b"".join(_plain_bytes(array).to_pylist()))
    elif pa.types.is_floating(kind):
        digest.update(b"float")
        _feed(digest, (array.fill_null(0.0) for array in chunks()), "<f8")
    elif pa.types.is_boolean(kind):
        digest.update(b"bool")
        _feed(digest, (array.fill_null(False) for array in chunks()), "u1")
    elif pa.types.is_integer(kind):
        digest.update(b"int")
        _feed(digest, (array.fill_null(0) for array in chunks()), "<i8")
    elif pa.types.is_null(kind):
        digest.update(b"null")
    else:
        raise TypeError(f"rows_digest has no canonical form for {kind}")


def _feed(digest: Any, arrays: Iterable[Any], dtype: str) -> None:
    for array in arrays:
        digest.update(np.asarray(array).astype(dtype).tobytes())


def _feed_bits(digest: Any, chunks: Iterable[np.ndarray]) -> None:
    """Hash the booleans of all chunks as one array, eight per byte."""
    left = np.zeros(0, dtype=bool)
    for chunk in chunks:
        bits = np.concatenate([left, chunk])
        whole = len(bits) - len(bits) % 8
        digest.update(np.packbits(bits[:whole]).tobytes())
        left = bits[whole:]
    digest.update(np.packbits(left).tobytes())


def _field_of(chunks: Chunks, index: int) -> Iterator[pa.Array]:
    for array in chunks():
        yield array.field(index) if array.null_count == 0 else array.flatten()[index]


def _plain_bytes(array: pa.Array) -> pa.Array:
    return array.cast(pa.binary()).fill_null(b"")


def _map_lengths(array: pa.MapArray) -> np.ndarray:
    offsets = np.asarray(array.offsets)
    lengths = np.diff(offsets)
    return np.where(np.asarray(array.is_valid()), lengths, 0)
