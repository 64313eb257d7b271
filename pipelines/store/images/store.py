"""The image store: distinct images in WARC packs, a Parquet index of outcomes, tables of facts and scores.

```
STORE/packs/NAME.warc                 closed packs: `resource` records are images, `metadata` records are outcomes
STORE/index/00001/part-NAME.parquet   immutable parts, one per pack, one row per URL; a re-fetch writes generation 2
STORE/facts/part-NAME.parquet         facts of the images, one row per sha256
STORE/scores/MODEL/part-NAME.parquet  scores by a model, one row per sha256; model.json names its version and weights
```

The first outcome of a URL is committed once and read by every later build: the store is an input of builds. A pack is
closed and renamed before the part that points into it, so a killed run leaves at most an unreferenced pack. The packs
hold everything that the index holds; `recovery` rebuilds the index from them.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from corpusloom.pipelines.models.identity import ModelIdentity
from corpusloom.pipelines.store.images.index import GENERATION, ImageIndex
from corpusloom.pipelines.store.images.rows_by_sha256 import PARTS, RowsBySha256, commit_rows
from corpusloom.pipelines.store.warc.reading import read_resource
from corpusloom.schemas import arrow, storage, tables
from corpusloom.schemas.errors import ConfigError, DamageError, raise_shortage
from corpusloom.schemas.records import ImageFacts, ImageRecord, ImageScore

REINDEX = "loom images --store STORE --reindex"


def is_store(folder: str) -> bool:
    """Return whether a folder holds an image store: packs, an index, or the tombstones of a store that was emptied."""
    parts = (storage.join(folder, name) for name in ("packs", "index", "tombstones.json"))
    return any(storage.exists(part) for part in parts)


@dataclass
class ImageStore:
    """A folder of packs, index, facts and scores."""

    folder: str
    _facts: RowsBySha256[ImageFacts] | None = field(default=None, repr=False)

    def path(self, *parts: str) -> str:
        """Return a path inside the store."""
        return storage.join(self.folder, *parts)

    def exists(self) -> bool:
        """Return whether the folder holds packs or an index."""
        return bool(storage.listing(self.path("packs"), ".warc") or storage.folders(self.path("index")))

    def generations(self) -> list[int]:
        """Return the generations of the index, oldest first; [1] for a new store."""
        fs, inner = storage.filesystem(self.path("index"))
        names = (
            [entry.rstrip("/").rsplit("/", 1)[-1] for entry in fs.ls(inner, detail=False)] if fs.exists(inner) else []
        )
        return sorted(int(name) for name in names if name.isdigit()) or [1]

    def index_folder(self, generation: int) -> str:
        """Return the folder of the parts of a generation."""
        return self.path("index", f"{generation:05d}")

    def parts(self, generation: int) -> list[str]:
        """Return the paths of the parts of a generation."""
        folder = self.index_folder(generation)
        return [storage.join(folder, name) for name in storage.listing(folder, PARTS)]

    def index(self) -> ImageIndex:
        """Read the index of all generations."""
        generations = self.generations()
        parts = (_read_part(path, number) for number in generations for path in self.parts(number))
        return ImageIndex.of(generations[-1], parts)

    def commit_part(self, generation: int, name: str, records: list[ImageRecord]) -> None:
        """Add outcomes to the index; the packs that they point into must be closed."""
        tables.write_records(self.part_path(generation, name), ImageRecord, records, sort_by=("key",))

    def part_path(self, generation: int, name: str) -> str:
        """Return the path of the part that belongs to the pack `name`.warc."""
        return storage.join(self.index_folder(generation), f"part-{name}{PARTS}")

    def read(self, record: ImageRecord) -> bytes:
        """Return the bytes of an image as fetched; DamageError if its pack does not hold them."""
        if record.pack is None or record.offset is None or record.length is None:
            raise DamageError(f"no bytes stored for {record.url}", where=self.folder, remedy=REINDEX)
        data = read_resource(self.path("packs", record.pack), record.offset, record.length)
        if hashlib.sha256(data).hexdigest() != record.sha256:
            raise DamageError(
                f"the bytes of {record.url} are not those that were fetched",
                where=self.path("packs", record.pack),
                remedy=f"delete the pack and run {REINDEX}",
            )
        return data

    def facts(self) -> RowsBySha256[ImageFacts]:
        """Return the facts of all images."""
        if self._facts is None:
            self._facts = RowsBySha256.read(self.path("facts"), ImageFacts)
        return self._facts

    def commit_facts(self, rows: list[ImageFacts]) -> None:
        """Add facts of images."""
        commit_rows(self.path("facts"), ImageFacts, rows)
        self._facts = None

    def scores(self, model: str) -> dict[str, float | None]:
        """Return the scores by a model: sha256 -> score; None for an image that cannot be decoded."""
        return RowsBySha256.read(self.path("scores", model), ImageScore).column("score")

    def claim_scores(self, model: str, identity: ModelIdentity) -> None:
        """Record the identity of a model before its scores are stored; ConfigError if another model's are stored."""
        path, claim = self.path("scores", model, "model.json"), dataclasses.asdict(identity)
        if not storage.exists(path):
            storage.write_bytes(path, (json.dumps(claim, indent=1) + "\n").encode())
            return
        stored = json.loads(storage.read_bytes(path))
        if stored != claim:
            raise ConfigError(
                f"the stored scores are those of {stored}, the installed model is {claim}",
                where=path,
                remedy=f"install that model, or remove {self.path('scores', model)} to score every image again",
            )

    def commit_scores(self, model: str, rows: list[ImageScore]) -> None:
        """Add scores by a model."""
        commit_rows(self.path("scores", model), ImageScore, rows)


def _read_part(path: str, generation: int) -> pa.Table:
    """Read a part as a table with a column for its generation; DamageError if it cannot be read."""
    try:
        table = arrow.upgrade(ImageRecord, tables.read_table(path), path)
    except (DamageError, pa.ArrowInvalid, OSError) as error:
        raise_shortage(error, path)
        raise DamageError("a part of the image index is damaged", where=path, remedy=REINDEX) from error
    return table.append_column(GENERATION, pa.array(np.full(table.num_rows, generation, dtype=np.int64)))
