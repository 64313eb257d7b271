"""The first of equal values, in order."""

import numpy as np

from corpusloom.trainers.evaluation.occurrences import first_occurrences


def test_values_are_numbered_in_the_order_of_their_first() -> None:
    firsts, numbers = first_occurrences(np.array([5, 1, 5, 9, 1, 0]))
    assert firsts.tolist() == [0, 1, 3, 5]
    assert numbers.tolist() == [0, 1, 0, 2, 1, 3]


def test_equal_keys_are_one_group() -> None:
    firsts, groups = first_occurrences(np.array([b"a", b"b", b"a", b"c", b"b"]))
    assert (firsts.tolist(), groups.tolist()) == ([0, 1, 3], [0, 1, 0, 2, 1])
