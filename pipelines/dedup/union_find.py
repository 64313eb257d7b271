"""Union-find over numbered records in one numpy array: 4 or 8 bytes per record, edges joined in bulk."""

import numpy as np
from numpy.typing import NDArray


class Forest:
    """Components of records 0 to `size` - 1. The label of a component is its smallest number."""

    def __init__(self, size: int) -> None:
        self._parent = np.arange(size, dtype=np.uint32 if size < 2**32 else np.int64)

    def find(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the label of each record, and point the record directly at it (path compression)."""
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
            # If several edges lead to one label, the smallest wins; the others are joined in the next round.
            np.minimum.at(self._parent, np.maximum(first, second), lower.astype(self._parent.dtype))
