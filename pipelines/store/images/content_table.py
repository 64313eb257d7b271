"""Table of image contents in packs: sha256 -> pack, offset and length."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from corpusloom.pipelines.store.images.sorted_keys import fixed_width, place_in


@dataclass
class ContentTable:
    """sha256 -> (pack, offset, length): sorted numpy arrays, 88 bytes per image, and a dict of recent images."""

    MERGE = 20_000
    """Number of recent images, at least, before they are merged into the arrays."""
    _sha256: np.ndarray
    _places: np.ndarray
    _packs: list[str]
    _recent: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: pa.Table) -> "ContentTable":
        """Build the table from `ImageIndex.stored`; if an image has several rows, the first is used."""
        table = cls(np.array([], dtype="S64"), np.zeros((0, 3), dtype=np.int64), [])
        packs = stored["pack"].combine_chunks().dictionary_encode()
        packs = packs.combine_chunks() if isinstance(packs, pa.ChunkedArray) else packs
        table._packs = packs.dictionary.to_pylist()
        columns = [np.asarray(column, dtype=np.int64) for column in (packs.indices, stored["offset"], stored["length"])]
        table._insert(fixed_width(stored["sha256"], 64), np.stack(columns, axis=1))
        return table

    def find(self, sha256: str) -> tuple[str, int, int] | None:
        """Return pack, offset and length of an image, or None if the store lacks it."""
        recent = self._recent.get(sha256)
        if recent is not None:
            return recent
        place = place_in(self._sha256, sha256.encode("ascii", "replace"))
        if place is None:
            return None
        pack, offset, length = (int(value) for value in self._places[place])
        return self._packs[pack], offset, length

    def add(self, sha256: str, pack: str, offset: int, length: int) -> None:
        """Add an image that was just written."""
        self._recent[sha256] = (pack, offset, length)
        if len(self._recent) >= max(self.MERGE, len(self._sha256) // 8):
            self._merge()

    def _merge(self) -> None:
        numbers = {name: number for number, name in enumerate(self._packs)}
        for pack, _, _ in self._recent.values():
            if pack not in numbers:
                numbers[pack] = len(self._packs)
                self._packs.append(pack)
        rows = [(numbers[pack], offset, length) for pack, offset, length in self._recent.values()]
        self._insert(np.array(list(self._recent), dtype="S64"), np.array(rows, dtype=np.int64))
        self._recent = {}

    def _insert(self, sha256: np.ndarray, places: np.ndarray) -> None:
        names, rows = np.concatenate([self._sha256, sha256]), np.concatenate([self._places, places])
        self._sha256, first = np.unique(names, return_index=True)
        self._places = rows[first]
