"""Clusters and survivors do not depend on the order of edges; the distributed steps agree with union-find."""

import random as randoms

from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.dedup.components import (
    Cluster,
    Components,
    cluster,
    large_star,
    small_star,
    star,
)

EDGES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=30)


@given(EDGES, st.randoms())
def test_the_order_of_edges_does_not_matter(edges: list[tuple[int, int]], random: randoms.Random) -> None:
    expected = cluster(edges)
    shuffled = [edge if random.random() < 0.5 else edge[::-1] for edge in edges]
    random.shuffle(shuffled)
    assert cluster(shuffled) == expected


@given(EDGES)
def test_components_are_those_of_a_plain_search(edges: list[tuple[int, int]]) -> None:
    components: Components[int] = Components()
    for edge in edges:
        components.union(*edge)
    groups = {node: {node} for edge in edges for node in edge}
    for _ in groups:
        for first, second in edges:
            joined = groups[first] | groups[second]
            for node in joined:
                groups[node] = joined
    assert components.groups() == sorted(sorted(group) for group in {frozenset(found) for found in groups.values()})


def steps(edges: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the edges after one large-star and one small-star round over all nodes, as a distributed job does."""
    around: dict[int, set[int]] = {}
    for first, second in edges:
        around.setdefault(first, set()).add(second)
        around.setdefault(second, set()).add(first)
    edges = {edge for node, others in around.items() for edge in large_star(node, others)}
    smaller: dict[int, set[int]] = {}
    for first, second in edges:
        smaller.setdefault(max(first, second), set()).add(min(first, second))
    return {edge for node, others in smaller.items() for edge in small_star(node, others)}


@given(EDGES)
def test_alternating_stars_end_in_the_components(edges: list[tuple[int, int]]) -> None:
    current = {edge for edge in edges if edge[0] != edge[1]}
    while (after := steps(current)) != current:
        current = after
    components: Components[int] = Components()
    for edge in edges:
        components.union(*edge)
    expected = {(node, group[0]) for group in components.groups() for node in group[1:]}
    assert current == expected


def test_the_smallest_id_is_the_root_and_the_size_is_known() -> None:
    found = cluster([("b", "c"), ("c", "a"), ("x", "y")])
    assert found == dict.fromkeys("abc", Cluster("a", 3)) | dict.fromkeys("xy", Cluster("x", 2))
    assert cluster([("a", "a")]) == {"a": Cluster("a", 1)}
    assert cluster(list[tuple[str, str]]()) == {}


def test_a_bucket_gives_one_edge_fewer_than_members() -> None:
    assert star(["b", "c", "a", "c"]) == [("b", "a"), ("c", "a")]
    assert star(["a"]) == star(list[str]()) == []
