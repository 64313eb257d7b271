"""Equal values among many: the first of each, and which one every value equals."""

import numpy as np


def first_occurrences(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the first of equal values, ascending, and for every value the number of its first."""
    _, firsts, inverse = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    numbers = np.empty(len(firsts), np.int64)
    numbers[order] = np.arange(len(firsts))
    return firsts[order], numbers[inverse.reshape(-1)]
