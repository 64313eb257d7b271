"""Clusters and survivors do not depend on the order of edges; the distributed steps agree with union-find."""

import random as randoms

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.dedup.components import (
    Cluster,
    Components,
    cluster,
    image_rank,
    large_star,
    page_rank,
    small_star,
    star,
)

EDGES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=30)


@given(EDGES, st.randoms())
def test_the_order_of_edges_does_not_matter(edges: list[tuple[int, int]], random: randoms.Random) -> None:
    ranks = {node: (node * 7 % 13,) for node in range(13)}
    expected = cluster(edges, ranks)
    shuffled = [edge if random.random() < 0.5 else edge[::-1] for edge in edges]
    random.shuffle(shuffled)
    assert cluster(shuffled, ranks) == expected


@given(EDGES)
def test_components_are_those_of_a_plain_search(edges: list[tuple[int, int]]) -> None:
    components = Components()
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
    components = Components()
    for edge in edges:
        components.union(*edge)
    expected = {(node, group[0]) for group in components.groups() for node in group[1:]}
    assert current == expected


def test_the_smallest_rank_stays_and_the_size_is_known() -> None:
    found = cluster([("a", "b"), ("b", "c")], {"a": (2,), "b": (3,), "c": (1,)})
    assert found == dict.fromkeys("abc", Cluster("c", 3))
    assert cluster([("a", "z")], {"z": (9,)})["a"].root == "z"


def test_a_bucket_gives_one_edge_fewer_than_members() -> None:
    assert star([((2,), "b"), ((1,), "c"), ((3,), "a"), ((1,), "c")]) == [("a", "c"), ("b", "c")]
    assert star([]) == []


PAGE = {
    "canonical_url": "http://a/b",
    "fetched_at": "2024-01-01T00:00:00Z",
    "images": 2,
    "text_length": 100,
    "digest": "d",
}


@pytest.mark.parametrize(
    "better",
    [
        {"trusted": True},
        {"fetched_at": "2024-01-02T00:00:00Z"},
        {"fetched_at": "2024-01-01T00:00:00-01:00"},
        {"images": 3},
        {"text_length": 101},
        {"canonical_url": "http://a/"},
        {"canonical_url": "http://a/a"},
        {"digest": "c"},
    ],
    ids=str,
)
def test_what_makes_a_page_stay(better: dict[str, object]) -> None:
    assert page_rank(**{**PAGE, **better}) < page_rank(**PAGE)  # type: ignore[arg-type]


def test_ranks_stand_in_the_specified_order() -> None:
    newest = page_rank(**{**PAGE, "fetched_at": "2024-02-01T00:00:00Z", "images": 0})  # type: ignore[arg-type]
    richest = page_rank(**{**PAGE, "images": 9, "text_length": 1})  # type: ignore[arg-type]
    assert newest < richest < page_rank(**PAGE)  # type: ignore[arg-type]
    undated = page_rank(**{**PAGE, "fetched_at": ""})  # type: ignore[arg-type]
    assert page_rank(**PAGE) < undated  # type: ignore[arg-type]


def test_larger_images_stay() -> None:
    large = image_rank(width=200, height=100, size=10, sha256="b")
    assert large < image_rank(width=100, height=100, size=99, sha256="a")
    assert large < image_rank(width=200, height=100, size=9, sha256="a")
    assert image_rank(width=200, height=100, size=10, sha256="a") < large
