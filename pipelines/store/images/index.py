"""The in-memory index of an image store: one Arrow row per URL, found by binary search over numpy keys."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.pipelines.net.refusals import Policy
from corpusloom.pipelines.store.images.sorted_keys import fixed_width, place_in, places_in
from corpusloom.schemas import arrow
from corpusloom.schemas.records import ImageRecord

GENERATION = "generation"
"""Column with the generation in which a row was committed."""
WITHDRAWN = "withdrawn"
"""Outcome of a row that takes back the outcome of an earlier generation: its URL counts as never fetched."""
KEY_DIGITS = 32


def _joined(reasons: pa.Array, settings: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(reasons, settings, " ", null_handling="replace", null_replacement="")


def choose_rows(rows: pa.Table) -> pa.Table:
    """Return one row per key, sorted by key.

    The row of the latest generation is chosen; within it a final outcome before a transient one, that before a
    withdrawal, then the smallest sha256.
    """
    transient = pc.cast(pc.invert(rows["final"]), pa.int8())
    withdrawn = pc.cast(pc.equal(rows["outcome"], WITHDRAWN), pa.int8())
    order = rows.append_column("transient", pc.add(transient, withdrawn))
    keys = [("key", "ascending"), (GENERATION, "descending"), ("transient", "ascending"), ("sha256", "ascending")]
    rows = rows.take(pc.sort_indices(order, sort_keys=keys))
    names = fixed_width(rows["key"], KEY_DIGITS)
    first = np.ones(len(names), dtype=bool)
    first[1:] = names[1:] != names[:-1]
    return rows.filter(pa.array(first)).combine_chunks()


@dataclass
class ImageIndex:
    """The outcomes of all URLs as of one generation."""

    generation: int
    """Latest generation of the store."""
    _keys: np.ndarray
    _generations: np.ndarray
    _table: pa.Table
    _withdrawn: pa.Table

    @classmethod
    def of(cls, generation: int, parts: Iterable[pa.Table]) -> "ImageIndex":
        """Build the index from the parts of all generations up to the latest."""
        empty = arrow.to_table(ImageRecord, []).append_column(GENERATION, pa.array([], type=pa.int64()))
        rows = choose_rows(pa.concat_tables([empty, *parts]))
        taken_back = pc.equal(rows["outcome"], WITHDRAWN)
        withdrawn, rows = rows.filter(taken_back), rows.filter(pc.invert(taken_back)).combine_chunks()
        committed = rows[GENERATION].to_numpy()
        keys = fixed_width(rows["key"], KEY_DIGITS)
        return cls(generation, keys, committed, rows.drop_columns([GENERATION]), withdrawn)

    def under(self, policy: Policy) -> "ImageIndex":
        """Return the index without the refusals that other settings decided, whose URLs are to be asked again."""
        pairs = self._table.select(["reason", "policy"]).group_by(["reason", "policy"]).aggregate([]).to_pylist()
        stale = [pair for pair in pairs if not policy.decided(pair["reason"], pair["policy"])]
        if not stale:
            return self
        joined = _joined(self._table["reason"], self._table["policy"])
        names = _joined(*(pa.array([pair[name] for pair in stale], pa.string()) for name in ("reason", "policy")))
        held = pc.invert(pc.is_in(joined, value_set=names))
        mask = held.to_numpy(zero_copy_only=False) if isinstance(held, pa.Array) else held.to_numpy()
        return replace(
            self, _keys=self._keys[mask], _generations=self._generations[mask], _table=self._table.filter(held)
        )

    def next_generation(self, current: "ImageIndex", keys: Iterable[str]) -> int:
        """Return the generation for new outcomes of keys: a new one if `current` lacks one of them that this has."""
        return self.generation + (current is not self and any(key in self and key not in current for key in keys))

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __contains__(self, key: str) -> bool:
        return self._place(key) is not None

    def find(self, key: str) -> ImageRecord | None:
        """Return the outcome of an image key, or None if it was never fetched."""
        place = self._place(key)
        if place is None:
            return None
        return next(arrow.from_table(ImageRecord, self._table.slice(place, 1)))

    def rows(self) -> Iterator[ImageRecord]:
        """Yield the outcomes of all URLs, sorted by key."""
        yield from arrow.from_table(ImageRecord, self._table)

    def count_outcomes(self, keys: np.ndarray) -> Counter[tuple[str, str]]:
        """Count (outcome, reason) over keys; the outcome of a key that was never fetched is ""."""
        places = places_in(self._keys, keys)
        found = places >= 0
        rows = self._table.select(["outcome", "reason"]).take(pa.array(places[found]))
        groups = rows.group_by(["outcome", "reason"]).aggregate([([], "count_all")]).to_pylist()
        counts = Counter({(row["outcome"], row["reason"] or ""): row["count_all"] for row in groups})
        missing = int(len(keys) - found.sum())
        return counts + Counter({("", ""): missing})

    def generations_of(self, keys: np.ndarray) -> np.ndarray:
        """Return the generation of each key's outcome; 0 for a key without one."""
        places = places_in(self._keys, keys)
        generations = np.zeros(len(keys), dtype=np.int64)
        generations[places >= 0] = self._generations[places[places >= 0]]
        return generations

    def transient(self) -> Iterator[tuple[str, str]]:
        """Yield key and URL of each outcome that is not final or was withdrawn, without URLs that were taken down."""
        yield from _urls(self._table.filter(pc.invert(self._table["final"])))
        yield from _urls(self._withdrawn)

    def kept(self) -> Iterator[tuple[str, str]]:
        """Yield key and URL of each stored image, sorted by key, without URLs that were taken down."""
        return _urls(self._table.filter(pc.equal(self._table["outcome"], "kept")))

    def stored(self) -> pa.Table:
        """Return sha256, pack, offset and length of each row whose image is stored."""
        return self._table.filter(pc.is_valid(self._table["pack"])).select(["sha256", "pack", "offset", "length"])

    def rows_of(self, keys: Iterable[str]) -> pa.Table:
        """Return the rows of those keys that have an outcome, each once, sorted by key."""
        wanted = np.unique(np.array([key.encode("ascii", "replace") for key in keys], dtype=self._keys.dtype))
        places = places_in(self._keys, wanted)
        return self._table.take(pa.array(places[places >= 0]))

    def digest(self, keys: Iterable[str]) -> str:
        """Return a hash of the outcomes of these keys, for the fingerprint of a build that uses them."""
        state, wanted = hashlib.sha256(), sorted(set(keys))
        columns = [column.to_pylist() for column in self.rows_of(wanted).select(["key", "outcome", "reason", "sha256"])]
        outcomes = {key: f"{outcome} {reason} {sha256}" for key, outcome, reason, sha256 in zip(*columns, strict=True)}
        for key in wanted:
            state.update(f"{key} {outcomes.get(key, '-')}\n".encode())
        return state.hexdigest()

    def _place(self, key: str) -> int | None:
        return place_in(self._keys, key.encode("ascii", "replace"))


def _urls(rows: pa.Table) -> Iterator[tuple[str, str]]:
    """Yield key and URL of rows, without URLs that were taken down."""
    for batch in rows.filter(pc.not_equal(rows["url"], "")).select(["key", "url"]).to_batches(max_chunksize=4096):
        yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
