"""The same components as union-find over ids, whatever the order and the batches of the edges."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.dedup.components import Components
from corpusloom.pipelines.dedup.union_find import Forest

edges = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=40)


@given(edges, st.integers(1, 7))
def test_labels_are_the_smallest_of_each_component(pairs: list[tuple[int, int]], batch: int) -> None:
    forest, components = Forest(20), Components()
    for start in range(0, len(pairs), batch):
        some = np.array(pairs[start : start + batch], dtype=np.int64).reshape(-1, 2)
        forest.union(some[:, 0], some[:, 1])
    for number in range(20):
        components.find(number)
    for first, second in pairs:
        components.union(first, second)
    expected = {member: group[0] for group in components.groups() for member in group}
    assert forest.find(np.arange(20)).tolist() == [expected[number] for number in range(20)]
