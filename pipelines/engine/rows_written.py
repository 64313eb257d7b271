"""Counts the rows that a running stage has written into a folder of Parquet files, for its progress."""

from dataclasses import dataclass, field

from corpusloom.schemas import storage, tables


@dataclass
class RowsWritten:
    """Counter of the rows in those files of a folder that did not exist when it was made; each file is opened once."""

    folder: str
    _rows: dict[str, int] = field(default_factory=dict)
    """Name of a file -> its rows; 0 for an earlier file."""

    def __post_init__(self) -> None:
        self._rows = dict.fromkeys(self._names(), 0)

    def _names(self) -> list[str]:
        return storage.listing(self.folder, ".parquet")

    def __call__(self) -> int:
        """Return the number of rows written so far."""
        for name in self._names():
            if name not in self._rows:
                self._rows[name] = tables.count_rows(storage.join(self.folder, name))
        return sum(self._rows.values())
