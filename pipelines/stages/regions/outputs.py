"""The outputs of detectors in an image store: STORE/regions/DETECTOR/part-NAME.parquet, one row per image.

A row holds some 100 KB, so only the keys of a table are held in memory, and a row is read when it is asked for.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow.parquet as pq

from corpusloom.pipelines.store.images.rows_by_sha256 import PARTS, commit_rows
from corpusloom.pipelines.store.images.sorted_keys import fixed_width, place_in
from corpusloom.pipelines.store.stages import wait_until_listed
from corpusloom.schemas import arrow, storage, tables
from corpusloom.schemas.records import DetectorOutput

FOLDER = "regions"
GROUP_ROWS = 4
"""Rows per row group: what is read for one row."""


def outputs_folder(store: str, detector: str) -> str:
    """Return the folder of a detector's outputs; its name has the detector's name and the hash of its weights."""
    return storage.join(store, FOLDER, re.sub(r"[^A-Za-z0-9._-]", "-", detector))


def commit_outputs(store: str, detector: str, rows: Sequence[DetectorOutput]) -> None:
    """Add rows as one part; a repeated write makes the same file."""
    commit_rows(outputs_folder(store, detector), DetectorOutput, rows, GROUP_ROWS)


@dataclass
class DetectorOutputs:
    """The rows of one detector. If an image has several rows, the one of the part that is first by name counts."""

    store: str
    detector: str
    _parts: list[str]
    _sha256: np.ndarray
    _places: np.ndarray
    """Number of the part and row in it, (n, 2)."""
    _open: dict[str, pq.ParquetFile] = field(default_factory=dict)

    @classmethod
    def read(cls, store: str, detector: str) -> "DetectorOutputs":
        """Read the keys of all parts."""
        parts = list(_parts_of(outputs_folder(store, detector)))
        keys = [fixed_width(tables.read_table(path, ["sha256"])["sha256"], 64) for path in parts]
        places = [np.stack([np.full(len(rows), part), np.arange(len(rows))], 1) for part, rows in enumerate(keys)]
        sha256, first = np.unique(np.concatenate([np.array([], "S64"), *keys]), return_index=True)
        return cls(store, detector, parts, sha256, np.concatenate([np.empty((0, 2), np.int64), *places])[first])

    def __len__(self) -> int:
        return len(self._sha256)

    def __contains__(self, sha256: object) -> bool:
        return place_in(self._sha256, str(sha256).encode("ascii", "replace")) is not None

    def find(self, sha256: str) -> DetectorOutput | None:
        """Return the row of an image, or None."""
        place = place_in(self._sha256, sha256.encode("ascii", "replace"))
        if place is None:
            return None
        part, row = self._places[place]
        path = self._parts[part]
        if path not in self._open:
            for file in self._open.values():
                file.close()
            self._open = {path: tables.open_parquet(path)}
        group = self._open[path].read_row_group(int(row) // GROUP_ROWS)
        return next(arrow.from_table(DetectorOutput, group.slice(int(row) % GROUP_ROWS, 1)))

    def wait_for(self, sha256: str) -> DetectorOutput:
        """Return the row of an image that was stored; reads the keys again while the store does not list it yet.

        StoreLagError if the store has no such row.
        """
        found = self.find(sha256)
        if found is None:
            read = partial(DetectorOutputs.read, self.store, self.detector)
            fresh = wait_until_listed(read, lambda rows: sha256 in rows, self.store)
            self._parts, self._sha256, self._places = fresh._parts, fresh._sha256, fresh._places
            found = self.find(sha256)
        assert found is not None
        return found


def remove_outputs(store: str, image_sha256: frozenset[str]) -> None:
    """Remove the outputs of these images, named by the SHA-256 of their bytes as fetched, of every detector."""
    if not image_sha256:
        return
    for detector in storage.folders(storage.join(store, FOLDER)):
        for path in _parts_of(storage.join(store, FOLDER, detector)):
            known = tables.read_table(path, ["image_sha256"])["image_sha256"].to_pylist()
            if image_sha256.isdisjoint(known):
                continue
            rows = [row for row in tables.read_records(path, DetectorOutput) if row.image_sha256 not in image_sha256]
            if rows:
                commit_outputs(store, detector, rows)
            storage.remove(path)


def _parts_of(folder: str) -> Iterator[str]:
    for name in storage.listing(folder, PARTS):
        yield storage.join(folder, name)
