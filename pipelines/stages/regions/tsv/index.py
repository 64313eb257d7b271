"""The index of TSVs in memory: 48 bytes per row, however long its features are."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from corpusloom.pipelines.stages.regions.tsv.index_files import SCHEMA, IndexRow, index_path
from corpusloom.schemas import tables
from corpusloom.schemas.records import FileEntry

DUPLICATE = "tsv_duplicate_image"


def name_hash(image: str) -> int:
    """Return 64 bits of the hash of an image's name."""
    return int.from_bytes(hashlib.blake2b(image.encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class FoundRow:
    """The row of an image in one of the files."""

    file: FileEntry
    row: IndexRow


class TsvIndex:
    """Image -> row. Of several rows of an image that can be used, the first in order of files and lines counts."""

    def __init__(self, folder: str, files: Sequence[FileEntry]) -> None:
        """Read the indexes of the files."""
        self._files = files
        hashes, places = [np.empty(0, np.uint64)], [np.empty((0, 4), np.int64)]
        for number, file in enumerate(files):
            table = tables.read_table(index_path(folder, file))
            good = table.filter(table["fault"].is_null())
            hashes.append(np.array([name_hash(name) for name in good["image"].to_pylist()], np.uint64))
            columns = [good[name].to_numpy() for name in ("line", "offset", "size")]
            places.append(np.stack([np.full(len(good), number), *columns], 1).astype(np.int64))
        self._hashes, first = np.unique(np.concatenate(hashes), return_index=True)
        self._places = np.concatenate(places)[first]

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, image: str) -> FoundRow | None:
        """Return the row of an image, or None."""
        wanted = np.uint64(name_hash(image))
        place = int(self._hashes.searchsorted(wanted))
        if place == len(self._hashes) or self._hashes[place] != wanted:
            return None
        number, line, offset, size = map(int, self._places[place])
        return FoundRow(self._files[number], IndexRow(image, line, offset, size))

    def is_duplicate(self, number: int, row: IndexRow) -> bool:
        """Return whether another row of the same image counts instead of this row of file `number`."""
        found = self.find(row.image)
        return found is not None and (found.file, found.row.line) != (self._files[number], row.line)


def read_index(folder: str, file: FileEntry) -> Iterator[IndexRow]:
    """Yield the rows of a file's index, in the order of its lines."""
    with tables.open_parquet(index_path(folder, file)) as opened:
        for batch in opened.iter_batches(columns=SCHEMA.names):
            for row in batch.to_pylist():
                yield IndexRow(**row)
