"""Counts on one machine: each row gets the value of its rarest token or its smallest draw."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from corpusloom.pipelines.filters.pairs.entries import draw
from corpusloom.pipelines.stages.select.local_counts import smallest
from corpusloom.pipelines.stages.select.steps import CountEntries, CountTokens, DrawEntries, Step
from corpusloom.schemas.records import Head
from tests.pipelines.stages.select.bodies import on_one_machine, write_fragments


def test_the_smallest_value_of_each_row_is_found_in_any_order() -> None:
    rows, values = smallest((np.array([3, 1, 3, 1, 3]), pa.array([5, 2, 1, 4, 9])))
    assert (rows.tolist(), values) == ([1, 3], [2, 1])
    rows, values = smallest((np.array([], np.int64), pa.array([], pa.int64())))
    assert (rows.tolist(), values) == ([], [])


def pair(key: str, **fields: tuple[str, ...]) -> Head:
    """Return the head of a pair."""
    return Head(unit="pair", key=key, parent=key, url="u", **fields)


@pytest.mark.parametrize(
    ("heads", "step", "expected"),
    [
        (
            [pair("a", tokens=("the", "boat")), pair("b", tokens=("the", "the")), pair("c")],
            CountTokens("tokens"),
            [{"token_count": 1.0, "token_rank": 2.0}, {"token_count": 3.0, "token_rank": 1.0}, {}],
        ),
        (
            [pair("a", entries=("e", "f")), pair("b", entries=("e",)), pair("c")],
            DrawEntries("entries", 7),
            [
                {"entry_draw": min(draw("a", "e", 2, 7), draw("a", "f", 1, 7))},
                {"entry_draw": draw("b", "e", 2, 7)},
                {},
            ],
        ),
        (
            [pair("a", entries=("e", "f")), pair("b", entries=("e",)), pair("c")],
            CountEntries("entries"),
            [{"entry_count": 1.0}, {"entry_count": 2.0}, {}],
        ),
        ([pair("a"), pair("b")], CountTokens("tokens"), [{}, {}]),
        ([pair("a"), pair("b")], DrawEntries("entries", 7), [{}, {}]),
    ],
    ids=["tokens", "entries", "counted entries", "no tokens", "no entries"],
)
def test_rows_in_several_ranges_are_counted_together(
    heads: list[Head], step: Step, expected: list[dict[str, float]], tmp_path: Path
) -> None:
    paths = write_fragments(heads, tmp_path, rows=1)
    found = on_one_machine(paths, (step,), tmp_path / "out", rows_at_once=1)
    assert [head.scores for head in found] == expected
