"""The image store: images by content in WARC packs, a Parquet index of outcomes, a table of facts.

```
STORE/packs/NAME.warc                 closed packs: `resource` records of images, `metadata` records of other outcomes
STORE/index/00001/part-NAME.parquet   immutable parts, a row a URL; a re-fetch writes the next generation
STORE/facts/part-NAME.parquet         what is known of an image, once a sha256
STORE/scores/MODEL/part-NAME.parquet  what a model says of it
```

A URL's first final outcome is committed once and read by every later build: the store is an input. A pack is
closed and renamed before the part that points into it is; so a killed run leaves at most an orphan pack.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from schemas import arrow, storage, tables
from schemas.errors import DamageError
from schemas.records import ImageFacts, ImageRecord, ImageScore

PARTS = ".parquet"


def _prefer(record: ImageRecord) -> tuple[bool, str]:
    """Order outcomes of one URL in one generation: final ones first, ties by the smallest sha256."""
    return not record.final, record.sha256 or "g"


@dataclass
class ImageIndex:
    """The index of a store as of one generation, in memory: 16-byte keys sorted, rows in Arrow."""

    generation: int
    _keys: np.ndarray
    _table: pa.Table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def find(self, key: str) -> ImageRecord | None:
        """Return the outcome of one image key, or None when it was never fetched."""
        wanted = np.frombuffer(bytes.fromhex(key), dtype="S16")[0]
        place = int(np.searchsorted(self._keys, wanted))
        if place == len(self._keys) or self._keys[place] != wanted:
            return None
        return next(arrow.from_table(ImageRecord, self._table.slice(place, 1)))

    def __contains__(self, key: str) -> bool:
        record = self.find(key)
        return record is not None and record.final

    def rows(self) -> Iterator[ImageRecord]:
        """Yield the outcomes of all URLs, in order of their keys."""
        yield from arrow.from_table(ImageRecord, self._table)

    def content(self) -> dict[str, ImageRecord]:
        """Return for each sha256 the row whose place holds its bytes."""
        kept = self._table.filter(pa.compute.is_valid(self._table["pack"]))
        found: dict[str, ImageRecord] = {}
        for record in arrow.from_table(ImageRecord, kept):
            found.setdefault(record.sha256 or "", record)
        return found

    def digest(self, keys: Iterable[str]) -> str:
        """Return a hash of the outcomes of these URLs: what a build depends on."""
        state = hashlib.sha256()
        for key in sorted(set(keys)):
            record = self.find(key)
            text = "-" if record is None else f"{record.outcome} {record.reason} {record.sha256}"
            state.update(f"{key} {text}\n".encode())
        return state.hexdigest()


@dataclass
class ImageStore:
    """A folder of packs, index and facts."""

    folder: str
    _facts: dict[str, ImageFacts] | None = field(default=None, repr=False)

    def path(self, *parts: str) -> str:
        """Return the path of something inside the store."""
        return storage.join(self.folder, *parts)

    def generations(self) -> list[int]:
        """Return the generations of the index, oldest first; [1] for a new store."""
        fs, inner = storage.filesystem(self.path("index"))
        names = (
            [entry.rstrip("/").rsplit("/", 1)[-1] for entry in fs.ls(inner, detail=False)] if fs.exists(inner) else []
        )
        return sorted(int(name) for name in names if name.isdigit()) or [1]

    def index(self) -> ImageIndex:
        """Read the index: of each URL the latest generation's outcome, first final ones before transient ones."""
        chosen: dict[str, ImageRecord] = {}
        generations = self.generations()
        for generation in generations:
            latest: dict[str, ImageRecord] = {}
            for name in storage.listing(self.path("index", f"{generation:05d}"), PARTS):
                for record in tables.read_records(self.path("index", f"{generation:05d}", name), ImageRecord):
                    other = latest.get(record.key)
                    if other is None or _prefer(record) < _prefer(other):
                        latest[record.key] = record
            chosen.update(latest)
        rows = sorted(chosen.values(), key=lambda record: record.key)
        keys = np.array([bytes.fromhex(record.key) for record in rows], dtype="S16")
        return ImageIndex(generations[-1], keys, arrow.to_table(ImageRecord, rows))

    def commit_part(self, generation: int, name: str, records: list[ImageRecord]) -> None:
        """Add outcomes to the index: the packs that they point into must be closed."""
        path = self.path("index", f"{generation:05d}", f"part-{name}{PARTS}")
        tables.write_records(path, ImageRecord, records, sort_by=("key",))

    def read(self, record: ImageRecord) -> bytes:
        """Return an image's bytes as fetched; a pack that does not hold them is an error."""
        from pipelines.store.warc import read_resource

        if record.pack is None or record.offset is None or record.length is None:
            raise DamageError(f"no bytes stored for {record.url}", where=self.folder, remedy="loom images --reindex")
        data = read_resource(self.path("packs", record.pack), record.offset, record.length)
        if hashlib.sha256(data).hexdigest() != record.sha256:
            raise DamageError(
                f"the bytes of {record.url} are not those that were fetched",
                where=self.path("packs", record.pack),
                remedy="delete the pack and run loom images --reindex",
            )
        return data

    def facts(self) -> dict[str, ImageFacts]:
        """Return what is known of each image by sha256."""
        if self._facts is None:
            self._facts = {row.sha256: row for row in self._fact_rows()}
        return self._facts

    def _fact_rows(self) -> Iterator[ImageFacts]:
        for name in storage.listing(self.path("facts"), PARTS):
            yield from tables.read_records(self.path("facts", name), ImageFacts)

    def commit_facts(self, rows: list[ImageFacts]) -> None:
        """Add facts: the part's name is a hash of what it covers, so a replay writes the same file."""
        rows = sorted(rows, key=lambda row: row.sha256)
        name = hashlib.sha256("".join(row.sha256 for row in rows).encode()).hexdigest()[:16]
        tables.write_records(self.path("facts", f"part-{name}{PARTS}"), ImageFacts, rows)
        self._facts = None

    def scores(self, model: str) -> dict[str, float | None]:
        """Return a model's score of each image by sha256."""
        folder = self.path("scores", model)
        rows = (
            row
            for name in storage.listing(folder, PARTS)
            for row in tables.read_records(storage.join(folder, name), ImageScore)
        )
        return {row.sha256: row.score for row in rows}

    def commit_scores(self, model: str, rows: list[ImageScore]) -> None:
        """Add a model's scores, under a name that says what they cover."""
        rows = sorted(rows, key=lambda row: row.sha256)
        name = hashlib.sha256("".join(row.sha256 for row in rows).encode()).hexdigest()[:16]
        tables.write_records(self.path("scores", model, f"part-{name}{PARTS}"), ImageScore, rows)


def pack_name(seed: Any) -> str:
    """Return a pack's name from what identifies its writer and place in the run."""
    return hashlib.blake2b(str(seed).encode(), digest_size=8).hexdigest()
