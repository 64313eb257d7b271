"""Scores by models in an image store: one row per image and text, with the reason of each that has no score.

The scores of a model are in STORE/scores/NAME-DIGEST/part-*.parquet, where DIGEST is that of its weights. So the scores
of two models are never mixed, and a dataset finds those of its own model.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from corpusloom.pipelines.store.images.sorted_keys import fixed_width, place_in
from corpusloom.schemas import arrow, identity, storage, tables
from corpusloom.schemas.records import ModelScore

PARTS = ".parquet"
COLUMNS = ["key", "score", "error"]


@dataclass(frozen=True, slots=True)
class Found:
    """A stored score, or the reason why there is none."""

    score: float | None
    error: str | None = None


def scores_folder(store: str, name: str, digest: str) -> str:
    """Return the folder of the scores of one model."""
    return storage.join(store, "scores", f"{name}-{digest[:16]}")


def text_sha256(text: str) -> str:
    """Return the sha256 of a text as UTF-8, or "" for no text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() if text else ""


def score_key(image_sha256: str, text_key: str = "") -> str:
    """Return the key of the score of an image and, for a score of both, the sha256 of a text."""
    return identity.make_key("score", image_sha256, text_key)


def commit(folder: str, rows: Sequence[ModelScore]) -> None:
    """Write a part. Its name is a hash of the keys, so a repeated write makes the same file."""
    rows = sorted(rows, key=lambda row: row.key)
    name = hashlib.sha256("".join(row.key for row in rows).encode()).hexdigest()[:16]
    tables.write_table(storage.join(folder, f"part-{name}{PARTS}"), arrow.to_table(ModelScore, rows))


@dataclass(frozen=True, slots=True)
class ModelScores:
    """The scores of one model, in sorted arrays: 40 bytes per score."""

    _keys: np.ndarray
    _scores: np.ndarray
    """float64; NaN where there is no score."""
    _errors: dict[str, str]
    """Key -> reason why there is no score."""

    @classmethod
    def read(cls, folder: str) -> "ModelScores":
        """Read the scores in a folder; an empty one has none."""
        paths = [storage.join(folder, name) for name in storage.listing(folder, PARTS)]
        empty = arrow.to_table(ModelScore, []).select(COLUMNS)
        rows = pa.concat_tables([empty, *(tables.read_table(path, COLUMNS) for path in paths)])
        keys, first = np.unique(fixed_width(rows["key"], 32), return_index=True)
        rows = rows.take(pa.array(first))
        lacking = rows.filter(rows["error"].is_valid())
        errors = dict(zip(lacking["key"].to_pylist(), lacking["error"].to_pylist(), strict=True))
        return cls(keys, rows["score"].to_numpy().astype(np.float64), errors)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, image_sha256: str, text_key: str = "") -> Found | None:
        """Return the score of an image and text, or None if the model did not score it."""
        key = score_key(image_sha256, text_key)
        place = place_in(self._keys, key.encode())
        if place is None:
            return None
        error = self._errors.get(key)
        return Found(None if error is not None else float(self._scores[place]), error)
