"""State of the select stage on one machine: ranges of heads, their outcomes so far, and partitions by key on disk."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from corpusloom.pipelines.dedup.key_hashes import Numbers
from corpusloom.pipelines.store.partitions import PartitionedRows
from corpusloom.schemas import arrow, storage, tables
from corpusloom.schemas.records import Head

RANGE_ROWS = 32_768
"""Heads that are read at once, rounded to whole fragments."""
PARTITION_BYTES = 8 << 20
MAX_PARTITIONS = 1_024
NAME = ("rank", "key", "parent")
NODE = ("mixture", *NAME)
"""Columns of a head's name in the graph of near-duplicates."""
HASH = (("high", pa.uint64()), ("low", pa.uint64()))
ROW = ("row", pa.int64())

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Range:
    """Fragments that are read at once."""

    index: int
    paths: tuple[str, ...]
    start: int
    """Number of the first head in the corpus."""
    rows: int
    """Number of heads."""


def ranges_of(fragments: Iterable[str], rows_at_once: int) -> list[Range]:
    """Group fragments into ranges of at most `rows_at_once` rows, or of one fragment. Only footers are read."""
    found: list[Range] = []
    paths: list[str] = []
    start = rows = 0
    for path in fragments:
        with tables.open_parquet(path) as file:
            here = file.metadata.num_rows
        if paths and rows + here > rows_at_once:
            found.append(Range(len(found), tuple(paths), start, rows))
            paths, start, rows = [], start + rows, 0
        paths.append(path)
        rows += here
    return [*found, Range(len(found), tuple(paths), start, rows)] if paths else found


@dataclass
class Selection:
    """Outcome, marks and added scores of each head while steps run."""

    ranges: list[Range]
    scratch: str
    """A local folder for partitions; the caller removes it."""
    passes: int = 1
    partition_bytes: int = PARTITION_BYTES
    reasons: list[tuple[str, float | None]] = field(default_factory=lambda: [("", None)])
    """Reason and threshold of each code in `code`. Code 0 means kept."""
    _spills: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.rows = sum(part.rows for part in self.ranges)
        self.code = np.zeros(self.rows, dtype=np.uint8)
        self.measured = self.by_range("measured", pa.float64())
        self.marks = self.by_range("mark", pa.string())
        self.scores: dict[str, ByRange] = {}

    def by_range(self, name: str, kind: pa.DataType) -> "ByRange":
        """Return an empty store of values per row."""
        schema = pa.schema([ROW, (name, kind)])
        return ByRange(self.ranges, PartitionedRows(self._folder(), schema, max(1, len(self.ranges))))

    def _folder(self) -> str:
        return storage.join(self.scratch, f"{next(self._spills):04d}")

    def read(self, part: Range, columns: Sequence[str] | None = None) -> pa.Table:
        """Return columns of a range, each in one chunk."""
        read = [tables.read_table(path, columns) for path in part.paths]
        read = [arrow.upgrade(Head, table, path) for table, path in zip(read, part.paths, strict=True)]
        return pa.concat_tables(read).combine_chunks()

    def entries(self, name: str) -> int:
        """Estimate the number of entries of a list column of all heads from the first range."""
        first = self.ranges[0]
        return self.rows * len(pc.list_flatten(self.read(first, [name])[name])) // max(1, first.rows)

    def kept(self, part: Range, columns: Sequence[str]) -> tuple[pa.Table, Rows]:
        """Return columns of the kept heads of a range, and the numbers of these heads."""
        rows = part.start + np.flatnonzero(self.code[part.start : part.start + part.rows] == 0)
        return self.read(part, columns).take(pa.array(rows - part.start)).combine_chunks(), rows

    def reject(self, rows: Rows, measured: NDArray[np.float64], reason: str, threshold: float | None) -> None:
        """Reject heads that are kept so far."""
        if (reason, threshold) not in self.reasons:
            self.reasons.append((reason, threshold))
        self.code[rows] = self.reasons.index((reason, threshold))
        self.measured.add(rows, pa.array(measured))

    def grouped(
        self,
        schema: pa.Schema,
        parted: Callable[[Range], tuple[pa.Table, NDArray[np.float64]]],
        size: int,
    ) -> Iterator[pa.Table]:
        """Partition rows by key on disk; yield one partition at a time.

        Args:
          schema: Schema of the rows.
          parted: Function from a range to its rows and, per row, the place of its key in [0, 1).
          size: Estimated bytes of all rows. It sets the number of partitions.
        """
        number = min(MAX_PARTITIONS, 1 + size // self.passes // self.partition_bytes)
        for turn in range(self.passes):
            spill = PartitionedRows(self._folder(), schema, number)
            for part in self.ranges:
                table, places = parted(part)
                partition = (places * (number * self.passes)).astype(np.int64) - turn * number
                mine = np.flatnonzero((partition >= 0) & (partition < number))
                whole = len(mine) == table.num_rows
                spill.add(table if whole else table.take(pa.array(mine)), partition if whole else partition[mine])
            for index in range(number):
                table = spill.read(index)
                if table.num_rows:
                    yield table
            spill.close()


class ByRange:
    """Values of heads, kept on disk until their range is read."""

    def __init__(self, ranges: list[Range], spill: PartitionedRows) -> None:
        self._starts = np.array([part.start for part in ranges], dtype=np.int64)
        self._spill, self._schema = spill, spill.schema

    def add(self, rows: Rows, values: pa.Array) -> None:
        """Add one value per row."""
        table = pa.Table.from_arrays([pa.array(rows), values], schema=self._schema)
        self._spill.add(table, np.searchsorted(self._starts, rows, side="right").astype(np.int64) - 1)

    def read(self, part: Range) -> tuple[Rows, pa.Array]:
        """Return the values of a range, and their rows counted from the start of the range."""
        table = self._spill.read(part.index)
        rows = np.asarray(table.column(0)) - part.start
        return rows, table.column(1).combine_chunks()


def places_of(numbers: Numbers) -> NDArray[np.float64]:
    """Return the place of each key in [0, 1). Places sort as keys do."""
    return (numbers[:, 0] >> np.uint64(11)).astype(np.float64) / 2.0**53


def by_key(numbers: Numbers, rows: Rows, **more: pa.Array) -> pa.Table:
    """Return rows with the numbers of their keys."""
    columns = {"high": pa.array(numbers[:, 0]), "low": pa.array(numbers[:, 1]), "row": pa.array(rows), **more}
    return pa.table(columns)


def column(table: pa.Table, name: str) -> NDArray[Any]:
    """Return a column of numbers as an array."""
    return np.asarray(table[name])


def whole_column(table: pa.Table, name: str) -> Any:
    """Return a column as one array of Arrow, of strings or lists."""
    return table[name].combine_chunks()
