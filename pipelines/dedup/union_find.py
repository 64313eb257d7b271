"""Union-find over numbered records in one array of numpy: a few bytes a record, edges joined in bulk."""

import numpy as np
from numpy.typing import NDArray


class Forest:
    """Components of `size` numbered records; a component's label is its smallest number, whatever the edges' order."""

    def __init__(self, size: int) -> None:
        self._parent = np.arange(size, dtype=np.uint32 if size < 2**32 else np.int64)

    def find(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the label of each record, and shorten the ways to it."""
        labels = self._parent[items]
        while True:
            above = self._parent[labels]
            if np.array_equal(above, labels):
                break
            labels = above
        self._parent[items] = labels
        return labels.astype(np.int64)

    def union(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        """Join the components of each pair of records."""
        while len(first):
            first, second = self.find(first), self.find(second)
            apart = first != second
            first, second = first[apart], second[apart]
            lower = np.minimum(first, second)
            # Of several edges at one label the lowest wins; the others are still apart in the next round.
            np.minimum.at(self._parent, np.maximum(first, second), lower.astype(self._parent.dtype))
