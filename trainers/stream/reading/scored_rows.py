"""The samples of a dataset whose score is high enough, by the sidecar of embeddings beside the dataset."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from corpusloom.schemas.errors import InputError
from corpusloom.schemas.images.embeddings.manifest import default_folder, is_finished
from corpusloom.schemas.images.embeddings.sidecar import open_sidecar
from corpusloom.schemas.records import ShardEntry


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRows:
    """Rows of samples with a score of at least `least`."""

    least: float
    rows: Mapping[int, np.ndarray]
    """Number of a shard -> rows, ascending."""

    def of(self, shard: ShardEntry) -> np.ndarray:
        """Return the rows of a shard, ascending."""
        return self.rows.get(shard.index, np.zeros(0, np.int64))


def read_scored_rows(dataset: str, digest: str, least: float) -> ScoredRows:
    """Return a dataset's rows by their scores; InputError if it has no finished embeddings, or changed since."""
    folder = default_folder(dataset)
    if not is_finished(folder):
        what = "a least score is asked for, and there are no embeddings with scores"
        raise InputError(what, where=folder, remedy=f"run loom embed {dataset} --checkpoint PATH")
    return ScoredRows(least, open_sidecar(folder, digest).rows_by_score(least))
