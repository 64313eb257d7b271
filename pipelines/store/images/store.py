"""The image store: images by content in WARC packs, a Parquet index of outcomes, a table of facts.

```
STORE/packs/NAME.warc                 closed packs: an image (`resource`), and of each outcome a `metadata` record
STORE/index/00001/part-NAME.parquet   immutable parts, a row a URL, one a pack; a re-fetch writes the next generation
STORE/facts/part-NAME.parquet         what is known of an image, once a sha256
STORE/scores/MODEL/part-NAME.parquet  what a model says of it
```

A URL's first outcome is committed once and read by every later build: the store is an input. A pack is closed and
renamed before the part that points into it is; so a killed run leaves at most an orphan pack. The packs say all that
the index says (`corpusloom.pipelines.store.images.recovery` rebuilds it from them).
"""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.pipelines.models.identity import ModelIdentity
from corpusloom.pipelines.store.images.sorted_keys import fixed_width, place_in, places_in
from corpusloom.pipelines.store.warc.reading import read_resource
from corpusloom.schemas import arrow, storage, tables
from corpusloom.schemas.errors import ConfigError, DamageError
from corpusloom.schemas.records import ImageFacts, ImageRecord, ImageScore

T = TypeVar("T")

PARTS = ".parquet"
GENERATION = "generation"
REINDEX = "loom images --store STORE --reindex"


def choose(rows: pa.Table) -> pa.Table:
    """Return of each key one row, in order of the keys.

    The latest generation's; within it a final outcome before a transient one, ties by the smallest sha256.
    """
    order = rows.append_column("transient", pc.invert(rows["final"]))
    keys = [("key", "ascending"), (GENERATION, "descending"), ("transient", "ascending"), ("sha256", "ascending")]
    rows = rows.take(pc.sort_indices(order, sort_keys=keys))
    names = fixed_width(rows["key"], 32)
    first = np.ones(len(names), dtype=bool)
    first[1:] = names[1:] != names[:-1]
    return rows.filter(pa.array(first)).combine_chunks()


@dataclass
class ImageIndex:
    """The index of a store as of one generation, in memory: rows in Arrow, their keys sorted in numpy."""

    generation: int
    _keys: np.ndarray
    _generations: np.ndarray
    _table: pa.Table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def _place(self, key: str) -> int | None:
        return place_in(self._keys, key.encode("ascii", "replace"))

    def find(self, key: str) -> ImageRecord | None:
        """Return the outcome of one image key, or None when it was never fetched."""
        place = self._place(key)
        if place is None:
            return None
        return next(arrow.from_table(ImageRecord, self._table.slice(place, 1)))

    def __contains__(self, key: str) -> bool:
        return self._place(key) is not None

    def rows(self) -> Iterator[ImageRecord]:
        """Yield the outcomes of all URLs, in order of their keys."""
        yield from arrow.from_table(ImageRecord, self._table)

    def generation_of(self, key: str) -> int:
        """Return the generation in which a key's outcome was committed; 0 when it has none."""
        place = self._place(key)
        return 0 if place is None else int(self._generations[place])

    def tally(self, keys: np.ndarray) -> Counter[tuple[str, str]]:
        """Count the outcomes of many keys, each with its reason; what was never fetched has the outcome ""."""
        places = places_in(self._keys, keys)
        found = places >= 0
        rows = self._table.select(["outcome", "reason"]).take(pa.array(places[found]))
        groups = rows.group_by(["outcome", "reason"]).aggregate([([], "count_all")]).to_pylist()
        counts = Counter({(row["outcome"], row["reason"] or ""): row["count_all"] for row in groups})
        missing = int(len(keys) - found.sum())
        return counts + Counter({("", ""): missing})

    def generations_of(self, keys: np.ndarray) -> np.ndarray:
        """Return the generation of each of many keys' outcomes; 0 for those that have none."""
        places = places_in(self._keys, keys)
        generations = np.zeros(len(keys), dtype=np.int64)
        generations[places >= 0] = self._generations[places[places >= 0]]
        return generations

    def transient(self) -> Iterator[tuple[str, str]]:
        """Yield key and URL of each outcome that is not final, in order of the keys; not of what was taken down."""
        return self._urls(pc.invert(self._table["final"]))

    def kept(self) -> Iterator[tuple[str, str]]:
        """Yield key and URL of each image, in order of the keys; not of what was taken down."""
        return self._urls(pc.equal(self._table["outcome"], "kept"))

    def _urls(self, mask: pa.ChunkedArray) -> Iterator[tuple[str, str]]:
        rows = self._table.filter(pc.and_(mask, pc.not_equal(self._table["url"], ""))).select(["key", "url"])
        for batch in rows.to_batches(max_chunksize=4096):
            yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)

    def stored(self) -> pa.Table:
        """Return sha256, pack, offset and length of every row whose place holds an image."""
        return self._table.filter(pc.is_valid(self._table["pack"])).select(["sha256", "pack", "offset", "length"])

    def rows_of(self, keys: Iterable[str]) -> pa.Table:
        """Return the rows of those of these keys that have an outcome, each once, in order of the keys."""
        wanted = np.unique(np.array([key.encode("ascii", "replace") for key in keys], dtype=self._keys.dtype))
        places = places_in(self._keys, wanted)
        return self._table.take(pa.array(places[places >= 0]))

    def digest(self, keys: Iterable[str]) -> str:
        """Return a hash of the outcomes of these URLs: what a build depends on."""
        state, wanted = hashlib.sha256(), sorted(set(keys))
        rows = self.rows_of(wanted).select(["key", "outcome", "reason", "sha256"])
        told = {key: f"{outcome} {reason} {sha256}" for key, outcome, reason, sha256 in zip(*_lists(rows), strict=True)}
        for key in wanted:
            state.update(f"{key} {told.get(key, '-')}\n".encode())
        return state.hexdigest()


def _lists(table: pa.Table) -> list[list[Any]]:
    return [column.to_pylist() for column in table.columns]


@dataclass
class ContentTable:
    """Where each content lies, by sha256: 36 bytes an image in numpy, and what came lately in a dict."""

    MERGE = 20_000
    """Recent entries after which they are merged into the array."""
    _sha256: np.ndarray
    _places: np.ndarray
    _packs: list[str]
    _recent: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: pa.Table) -> "ContentTable":
        """Build the table from `ImageIndex.stored`; of several places the smallest wins."""
        table = cls(np.array([], dtype="S64"), np.zeros((0, 3), dtype=np.int64), [])
        packs = stored["pack"].combine_chunks().dictionary_encode()
        packs = packs.combine_chunks() if isinstance(packs, pa.ChunkedArray) else packs
        table._packs = packs.dictionary.to_pylist()
        columns = [np.asarray(column, dtype=np.int64) for column in (packs.indices, stored["offset"], stored["length"])]
        table._insert(fixed_width(stored["sha256"], 64), np.stack(columns, axis=1))
        return table

    def find(self, sha256: str) -> tuple[str, int, int] | None:
        """Return pack, offset and length of a content, or None when the store lacks it."""
        recent = self._recent.get(sha256)
        if recent is not None:
            return recent
        place = place_in(self._sha256, sha256.encode("ascii", "replace"))
        if place is None:
            return None
        pack, offset, length = (int(value) for value in self._places[place])
        return self._packs[pack], offset, length

    def add(self, sha256: str, pack: str, offset: int, length: int) -> None:
        """Enter a content that was just written."""
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


@dataclass
class ImageStore:
    """A folder of packs, index and facts."""

    folder: str
    _facts: "RowsBySha256[ImageFacts] | None" = field(default=None, repr=False)

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

    def parts(self, generation: int) -> list[str]:
        """Return the paths of a generation's parts."""
        folder = self.path("index", f"{generation:05d}")
        return [storage.join(folder, name) for name in storage.listing(folder, PARTS)]

    def index(self) -> ImageIndex:
        """Read the index: of each URL the latest generation's outcome, first final ones before transient ones."""
        generations = self.generations()
        parts = [_read_part(path, number) for number in generations for path in self.parts(number)]
        empty = arrow.to_table(ImageRecord, []).append_column(GENERATION, pa.array([], type=pa.int64()))
        rows = choose(pa.concat_tables([empty, *parts]))
        committed = rows[GENERATION].to_numpy()
        return ImageIndex(generations[-1], fixed_width(rows["key"], 32), committed, rows.drop_columns([GENERATION]))

    def commit_part(self, generation: int, name: str, records: list[ImageRecord]) -> None:
        """Add outcomes to the index: the packs that they point into must be closed."""
        tables.write_records(self.part_path(generation, name), ImageRecord, records, sort_by=("key",))

    def part_path(self, generation: int, name: str) -> str:
        """Return the path of the part of the pack `name`.warc."""
        return self.path("index", f"{generation:05d}", f"part-{name}{PARTS}")

    def read(self, record: ImageRecord) -> bytes:
        """Return an image's bytes as fetched; a pack that does not hold them is an error."""
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

    def facts(self) -> "RowsBySha256[ImageFacts]":
        """Return what is known of each image by sha256."""
        if self._facts is None:
            self._facts = RowsBySha256.read(self.path("facts"), ImageFacts)
        return self._facts

    def commit_facts(self, rows: list[ImageFacts]) -> None:
        """Add facts of images."""
        commit_rows(self.path("facts"), ImageFacts, rows)
        self._facts = None

    def scores(self, model: str) -> dict[str, float | None]:
        """Return a model's score of each image by sha256."""
        return RowsBySha256.read(self.path("scores", model), ImageScore).column("score")

    def claim_scores(self, model: str, identity: ModelIdentity) -> None:
        """Record whose scores `model` holds; a ConfigError if they are another version's or other weights'."""
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
        """Add a model's scores."""
        commit_rows(self.path("scores", model), ImageScore, rows)


def commit_rows(folder: str, cls: type, rows: Sequence[Any]) -> None:
    """Write a part of a table by sha256: its name is a hash of what it covers, so a replay writes the same file."""
    rows = sorted(rows, key=lambda row: row.sha256)
    name = hashlib.sha256("".join(row.sha256 for row in rows).encode()).hexdigest()[:16]
    tables.write_records(storage.join(folder, f"part-{name}{PARTS}"), cls, rows)


@dataclass
class RowsBySha256(Generic[T]):
    """The rows of a table by sha256: they stay in Arrow, and become an object when they are asked for."""

    _cls: type[T]
    _sha256: np.ndarray
    _table: pa.Table

    @classmethod
    def read(cls, folder: str, record: type[T]) -> "RowsBySha256[T]":
        """Read every part of a table; of several rows of one content the first stays."""
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

    def get(self, sha256: str) -> T | None:
        """Return the row of a content, or None."""
        place = self._place(sha256)
        return None if place is None else next(arrow.from_table(self._cls, self._table.slice(place, 1)))

    def _place(self, sha256: str) -> int | None:
        return place_in(self._sha256, sha256.encode("ascii", "replace"))


def _read_part(path: str, generation: int) -> pa.Table:
    """Read one part as a table with its generation; a damaged one can be rebuilt."""
    try:
        table = arrow.upgrade(ImageRecord, tables.read_table(path), path)
    except (DamageError, pa.ArrowInvalid, OSError) as error:
        raise DamageError("a part of the image index is damaged", where=path, remedy=REINDEX) from error
    return table.append_column(GENERATION, pa.array(np.full(table.num_rows, generation, dtype=np.int64)))


def pack_name(seed: Any) -> str:
    """Return a pack's name from what identifies its writer and place in the run."""
    return hashlib.blake2b(str(seed).encode(), digest_size=8).hexdigest()
