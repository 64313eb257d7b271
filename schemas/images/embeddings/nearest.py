"""Exact nearest neighbours among the embeddings of a sidecar, one part in memory at a time.

Shapes: Q queries, N images of a part, D width.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from corpusloom.schemas.images.embeddings.sidecar import EmbeddingSidecar

_PART = 1 << 32
"""A row's number is part * _PART + row, so that numbers ascend in the order of the sidecar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """An image near a query."""

    score: float
    """Cosine of both embeddings."""
    sha256: str
    key: str
    """Key of the sample that shows the image first."""
    field: str
    """Field of the image's member in that sample."""
    shard: int
    """Number of that sample's shard."""


class Nearest:
    """The k best rows of each query so far."""

    def __init__(self, queries: int, k: int) -> None:
        self._k = k
        self.scores = [np.zeros(0, np.float32) for _ in range(queries)]
        self.numbers = [np.zeros(0, np.int64) for _ in range(queries)]

    def add(self, scores: np.ndarray, first: int) -> None:
        """Add rows by their scores, (Q, N) float32, numbered from `first`; of equal scores the earlier row is first."""
        for query, row in enumerate(scores):
            best = self.scores[query]
            lowest = best[-1] if len(best) == self._k else -np.inf
            better = np.flatnonzero(row > lowest)
            if len(better):
                both = np.concatenate([best, row[better]])
                numbers = np.concatenate([self.numbers[query], first + better])
                kept = np.argsort(-both, kind="stable")[: self._k]
                self.scores[query], self.numbers[query] = both[kept], numbers[kept]


def nearest(
    sidecar: EmbeddingSidecar, queries: np.ndarray, k: int, without: Collection[str] = ()
) -> list[list[Neighbour]]:
    """Return per query, (Q, D), of norm 1, the k images of the largest cosine, best first, in float32.

    `without` are sha256 of images to leave out, such as the query's own.
    """
    queries, left_out = np.ascontiguousarray(queries, np.float32), set(without)
    found = Nearest(len(queries), k)
    for number, part in enumerate(sidecar.image_parts()):
        scores = queries @ part.embeddings.astype(np.float32).T
        if left_out:
            names = part.columns.column("sha256").to_pylist()
            scores[:, [name in left_out for name in names]] = -np.inf
        found.add(scores, number * _PART)
    return [_neighbours(sidecar, scores, numbers) for scores, numbers in zip(found.scores, found.numbers, strict=True)]


def _neighbours(sidecar: EmbeddingSidecar, scores: np.ndarray, numbers: np.ndarray) -> list[Neighbour]:
    columns = {number: sidecar.image_part(number).columns for number in sorted(set((numbers // _PART).tolist()))}
    rows = [columns[number // _PART].slice(number % _PART, 1).to_pylist()[0] for number in numbers.tolist()]
    return [Neighbour(score=float(score), **row) for score, row in zip(scores, rows, strict=True)]
