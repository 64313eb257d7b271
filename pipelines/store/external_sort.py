"""Sorts tables larger than memory: partitions the rows on disk by unit and key range, then sorts each partition."""

from collections.abc import Generator, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.pipelines.dedup.key_hashes import key_numbers
from corpusloom.pipelines.store.partitions import PartitionedRows
from corpusloom.schemas import storage, tables

PARTITION_ROWS = 10_000
"""Average number of rows per partition; a table of at most this many rows is sorted in memory."""


def sorted_parts(
    parts: Iterable[pa.Table], schema: pa.Schema, order: Sequence[str], *, rows: int, scratch: str
) -> Generator[pa.Table, None, None]:
    """Yield the rows of all parts in sorted order, as a sequence of tables.

    Args:
      parts: Rows in any order.
      schema: Schema of the rows.
      order: Columns to sort by: one with the same value in all rows, then `unit` if there is one, then `key` (32 hex
        digits).
      rows: Approximate number of rows.
      scratch: Local folder for temporary files.
    """
    if rows <= PARTITION_ROWS:
        yield tables.sort_rows(pa.concat_tables([schema.empty_table(), *parts]), order)
        return
    number = 1 + rows // PARTITION_ROWS
    spills: dict[str, PartitionedRows] = {}
    for part in parts:
        for unit, table in _by_unit(part):
            if unit not in spills:
                spills[unit] = PartitionedRows(storage.join(scratch, f"sorting-{len(spills)}"), schema, number)
            high = key_numbers(table["key"].combine_chunks())[:, 0] >> np.uint64(32)
            spills[unit].add(table, (high * np.uint64(number) >> np.uint64(32)).astype(np.int64))
    for unit in sorted(spills):
        for index in range(number):
            yield tables.sort_rows(spills[unit].read(index), order)
        spills[unit].close()


def _by_unit(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    if "unit" not in table.column_names:
        yield "", table
        return
    for unit in table["unit"].unique().to_pylist():
        yield unit, table.filter(pc.equal(table["unit"], unit))
