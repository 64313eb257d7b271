"""Rounds over Beam end in the stars of a plain union-find; no edge is added on the way."""

import itertools
import random
from functools import partial
from pathlib import Path

import apache_beam as beam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.dedup.components import cluster
from corpusloom.pipelines.engine.runners import Profile, run
from corpusloom.pipelines.stages.select import near_duplicate_graph as graph
from corpusloom.pipelines.stages.select.near_duplicate_graph import Edge
from corpusloom.pipelines.store.regroup import files_of
from corpusloom.schemas import tables
from corpusloom.schemas.records import Head


def page(outcome: str = "kept") -> Head:
    return Head(unit="page", key="a", parent="a", url="u", bands=("1", "2"), outcome=outcome)


def test_only_kept_heads_have_members_in_buckets() -> None:
    assert list(graph.band_members(page())) == [(b"1", b"||a|a"), (b"2", b"||a|a")]
    assert list(graph.band_members(page("rejected"))) == []


def test_a_bucket_is_a_star_around_its_smallest_name() -> None:
    assert list(graph.bucket_edges(b"", [b"c", b"a", b"b", b"a"])) == [Edge("b", "a"), Edge("c", "a")]


def write(folder: Path, edges: set[tuple[str, str]]) -> None:
    rows = [Edge(max(edge), min(edge)) for edge in sorted(edges)]
    tables.write_records(str(folder / "part-00000.parquet"), Edge, rows)


def read(folder: Path) -> set[tuple[str, str]]:
    return {(row.key, row.other) for path in files_of(str(folder)) for row in tables.read_records(path, Edge)}


def rounds(edges: set[tuple[str, str]], folder: Path) -> tuple[set[tuple[str, str]], list[int]]:
    """Run rounds until none moves an edge; return the last edges, and the number of edges after each round."""
    write(folder / "0", edges)
    sizes = []
    for number in range(1, 41):
        before, after = folder / str(number - 1), folder / str(number)
        counters = run(partial(graph.build_round, before=str(before), after=str(after), parts=2), Profile()).counters
        sizes.append(len(read(after)))
        assert counters[graph.EDGES] > 0
        if not counters.get(graph.MOVED):
            assert read(after) == read(before)
            return read(after), sizes
    raise AssertionError("40 rounds were not enough")


@pytest.mark.parametrize("seed", [0, 1])
def test_rounds_end_in_the_components_of_union_find_and_edges_never_grow(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    names = [f"{draw.getrandbits(64):016x}" for _ in range(120)]
    path = {(max(pair), min(pair)) for pair in itertools.pairwise(names[:41])}
    hub = {(max(names[60], name), min(names[60], name)) for name in names[61:80]}
    chance = {tuple(sorted(draw.sample(names[80:], 2), reverse=True)) for _ in range(25)}
    edges = {edge for edge in path | hub | chance if edge[0] != edge[1]}
    found, sizes = rounds(edges, tmp_path)  # type: ignore[arg-type]
    expected = {(name, made.root) for name, made in cluster(edges).items() if made.root != name}
    assert found == expected
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] <= len(edges)
    assert len(sizes) <= 10


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda edge: edge[0] > edge[1]), max_size=20))
def test_no_edge_moves_if_and_only_if_all_components_are_stars(edges: set[tuple[int, int]]) -> None:
    around: dict[int, set[int]] = {}
    for larger, smaller in edges:
        around.setdefault(larger, set()).add(smaller)
        around.setdefault(smaller, set()).add(larger)
    large = {edge for node, others in around.items() for edge in graph.large_star(node, others)}
    moved = sum(len([n for n in others if n > node]) for node, others in around.items() if min(others) < node)
    smaller_of: dict[int, set[int]] = {}
    for larger, smaller in large:
        smaller_of.setdefault(larger, set()).add(smaller)
    moved += sum(len(graph.small_star(node, others)) - 1 for node, others in smaller_of.items())
    stars = {(node, made.root) for node, made in cluster(edges).items() if made.root != node}
    assert (moved == 0) == (edges == stars)


def test_a_cluster_names_its_root_and_the_number_of_its_nodes() -> None:
    found = list(graph.clusters_of(b"a b", [b"c", b"d", b"c"]))
    assert found == [(b"a b", b"r3 a b"), (b"c", b"r3 a b"), (b"d", b"r3 a b")]


def test_heads_without_edges_and_roots_are_kept_and_others_rejected_with_the_size(tmp_path: Path) -> None:
    heads = [Head(unit="page", key=key, parent=key, url="u") for key in "abcd"]
    names = {key: f"||{key}|{key}" for key in "abcd"}
    write(tmp_path, {(names["c"], names["a"]), (names["b"], names["a"])})
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        decided = pipeline | beam.Create(heads) | graph.KeepRoots(folder=str(tmp_path))
        told = decided | "Tell" >> beam.Map(lambda head: (head.key, head.reason, head.measured))
        expected = [("a", None, None), ("b", "near_duplicate", 3.0), ("c", "near_duplicate", 3.0), ("d", None, None)]
        beam.testing.util.assert_that(told, beam.testing.util.equal_to(expected))
