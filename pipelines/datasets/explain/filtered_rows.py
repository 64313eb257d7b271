"""Rows of a table that have one of some values in a column, read one row group at a time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.schemas import tables

Row: TypeAlias = dict[str, Any]


def matching(path: str, columns: Sequence[str], values: Mapping[str, Collection[str]]) -> Iterator[Row]:
    """Yield the rows of a table with one of `values` in one of these columns, as far as the table has them.

    A column of lists matches if one of its elements does.
    """
    for table in _row_groups(path, columns):
        found = [
            _is_in(table[name].combine_chunks(), wanted)
            for name, wanted in values.items()
            if name in table.schema.names
        ]
        if found:
            mask = found[0]
            for more in found[1:]:
                mask = pc.or_(mask, more)
            yield from table.filter(mask).to_pylist()


def texts(path: str, columns: Sequence[str]) -> Iterator[str]:
    """Yield the distinct texts of some columns of a table, row group by row group, without nulls and empty texts."""
    for table in _row_groups(path, columns):
        for name in table.schema.names:
            column = table[name].combine_chunks()
            flat = pc.list_flatten(column) if pa.types.is_list(column.type) else column
            yield from filter(None, flat.unique().to_pylist())


def _row_groups(path: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    with tables.open_parquet(path) as file:
        present = set(file.schema_arrow.names)
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=[name for name in columns if name in present])


def _is_in(column: pa.Array, values: Collection[str]) -> pa.Array:
    wanted = pa.array(sorted(values), pa.string())
    if not pa.types.is_list(column.type):
        return pc.is_in(column, wanted)
    hits = pc.list_parent_indices(column).filter(pc.is_in(pc.list_flatten(column), wanted))
    return pc.is_in(pa.array(range(len(column)), hits.type), hits)
