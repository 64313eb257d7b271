"""Tables of an image store keyed by sha256 (facts, scores), stored as immutable Parquet parts."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa

from corpusloom.pipelines.store.images.sorted_keys import fixed_width, place_in
from corpusloom.schemas import arrow, storage, tables
from corpusloom.schemas.records import DetectorOutput, ImageFacts, ImageScore

_Row = TypeVar("_Row", bound=ImageFacts | ImageScore | DetectorOutput)

PARTS = ".parquet"


def commit_rows(
    folder: str, record: type[_Row], rows: Sequence[_Row], row_group_rows: int = tables.ROW_GROUP_ROWS
) -> None:
    """Write a part of a table. Its name is a hash of the keys, so a repeated write makes the same file."""
    rows = sorted(rows, key=lambda row: row.sha256)
    name = hashlib.sha256("".join(row.sha256 for row in rows).encode()).hexdigest()[:16]
    path = storage.join(folder, f"part-{name}{PARTS}")
    tables.write_table(path, arrow.to_table(record, rows), row_group_rows=row_group_rows)


@dataclass
class RowsBySha256(Generic[_Row]):
    """The rows of a table by sha256, held in Arrow; `get` converts one row to an object."""

    _record: type[_Row]
    _sha256: np.ndarray
    _table: pa.Table

    @classmethod
    def read(cls, folder: str, record: type[_Row]) -> "RowsBySha256[_Row]":
        """Read all parts of a table; if an image has several rows, the first is used."""
        paths = [storage.join(folder, name) for name in storage.listing(folder, PARTS)]
        parts = [arrow.upgrade(record, tables.read_table(path), path) for path in paths]
        rows = pa.concat_tables([arrow.to_table(record, []), *parts])
        sha256, first = np.unique(fixed_width(rows["sha256"], 64), return_index=True)
        return cls(record, sha256, rows.take(pa.array(first)).combine_chunks())

    def __len__(self) -> int:
        return len(self._sha256)

    def __contains__(self, sha256: object) -> bool:
        return self._place(str(sha256)) is not None

    def column(self, name: str) -> dict[str, Any]:
        """Return one column by sha256."""
        return dict(zip(self._table["sha256"].to_pylist(), self._table[name].to_pylist(), strict=True))

    def get(self, sha256: str) -> _Row | None:
        """Return the row of an image, or None."""
        place = self._place(sha256)
        return None if place is None else next(arrow.from_table(self._record, self._table.slice(place, 1)))

    def _place(self, sha256: str) -> int | None:
        return place_in(self._sha256, sha256.encode("ascii", "replace"))
