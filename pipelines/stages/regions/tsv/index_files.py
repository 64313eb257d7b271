"""Indexes TSVs: one pass over each notes where the row of each image lies, and which rows cannot be used.

Files have up to 30 GB with some 400 KB per row, so a row is read once here by the lengths of its cells, and decoded
where a pair needs it. Rows of the index are written while the file is read.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, ClassVar

import pyarrow as pa

from corpusloom.pipelines.stages.regions.tsv.columns import ColumnOrder, column_order
from corpusloom.pipelines.stages.regions.tsv.rows import RowError, RowShape, shape_of, split_line
from corpusloom.pipelines.stages.units import FinishUnit
from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.records import FileEntry, StageCounts

STAGE = "tsv"
VERSION = 1
MAX_LINE = 1 << 26
"""Bytes of a line, at most; a longer one is skipped. 100 boxes of 2,048 values and 1,601 classes take 2 MB."""
MAX_NAME = 200
"""Characters of an image's name that the index keeps."""
_BLOCK = 1 << 20
_ROWS = 10_000
SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("fault", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class IndexRow:
    """Where a row lies, and why it cannot be used if so."""

    image: str
    line: int
    """Number of its line in the file, from 1."""
    offset: int
    size: int
    fault: str | None = None


def _buffered(path: str) -> IO[bytes]:
    return io.BufferedReader(storage.open_input(path), _BLOCK)  # type: ignore[type-var]


def file_order(path: str, given: tuple[str, ...]) -> ColumnOrder:
    """Return the order of a TSV's columns by its first line; InputError for an empty file."""
    with _buffered(path) as handle:
        first = handle.readline(MAX_LINE)
    if not first.strip():
        raise InputError("is empty", where=path, remedy="give a TSV with a row per image")
    if b"\0" in first[:_BLOCK] or first.startswith((b"PK\3\4", b"\x1f\x8b")):
        raise InputError("is no text but packed or binary", where=path, remedy="unpack it: rows are read in any order")
    return column_order(first, given, path)


def index_rows(path: str, given: tuple[str, ...]) -> Iterator[IndexRow]:
    """Yield a row of the index per line of a TSV that is not blank, without its header.

    Features must have the width of those of the first row that can be used.
    """
    order = file_order(path, given)
    width: int | None = None
    with _buffered(path) as handle:
        offset = 0
        for number, (line, size) in enumerate(_lines(handle), 1):
            start, offset = offset, offset + size
            if (number == 1 and order.header) or (line is not None and not line.strip()):
                continue
            found = _shape(line, order)
            if isinstance(found, str):
                yield IndexRow("", number, start, size, found)
                continue
            width = found.feature_width if width is None else width
            fault = None if found.feature_width == width else "tsv_wrong_width"
            yield IndexRow(found.image[:MAX_NAME], number, start, size, fault)


def _shape(line: bytes | None, order: ColumnOrder) -> RowShape | str:
    """Return the shape of a line, or the reason why it has none."""
    if line is None:
        return "tsv_line_too_long"
    try:
        return shape_of(split_line(line, order), order)
    except RowError as error:
        return str(error)


def _lines(handle: IO[bytes]) -> Iterator[tuple[bytes | None, int]]:
    """Yield each line with its size in bytes; None instead of a line that is too long."""
    while line := handle.readline(MAX_LINE):
        size, rest = len(line), line
        while not rest.endswith(b"\n") and (rest := handle.readline(MAX_LINE)):
            size += len(rest)
        yield (line if size == len(line) else None), size


def index_path(folder: str, file: FileEntry) -> str:
    """Return the path of the index of a file."""
    return storage.join(folder, f"{file.sha256[:16]}.parquet")


def write_index(file: FileEntry, folder: str, given: tuple[str, ...]) -> None:
    """Write the index of a file."""

    def parts() -> Iterator[pa.Table]:
        found = index_rows(file.name, given)
        while rows := list(islice(found, _ROWS)):
            values = {name: [getattr(row, name) for row in rows] for name in SCHEMA.names}
            yield pa.table(values, SCHEMA)

    tables.write_stream(index_path(folder, file), SCHEMA, parts())


@dataclass(frozen=True, slots=True)
class IndexTsv:
    """The work of indexing each TSV."""

    stage: ClassVar[str] = STAGE
    unit: ClassVar[str] = "input"
    folder: str
    given: tuple[str, ...]

    def is_finished(self, file: FileEntry) -> bool:
        """Return whether an earlier run indexed the file."""
        return storage.exists(index_path(self.folder, file))

    @contextmanager
    def open(self) -> Iterator[FinishUnit[FileEntry]]:
        """Return the function that indexes one file."""

        def finish(file: FileEntry) -> tuple[StageCounts, ...]:
            write_index(file, self.folder, self.given)
            return ()

        yield finish
