"""Heads are read by range, rejected once, and partitioned by key so that equal keys meet."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.stages.select import corpus
from corpusloom.pipelines.stages.select.corpus import HASH, ROW, Range, Selection, by_key, places_of, ranges_of
from corpusloom.schemas.records import Head
from tests.pipelines.stages.select.bodies import write_fragments


def heads(count: int) -> list[Head]:
    """Return heads with keys in order."""
    return [Head(unit="page", key=f"{number:032x}", parent=f"p{number}", url="u") for number in range(count)]


def selection(folder: Path, count: int = 10, rows: int = 4, **options: int) -> Selection:
    """Return a selection over fragments of `rows` heads, read two fragments at a time."""
    return Selection(ranges_of(write_fragments(heads(count), folder, rows), 2 * rows), str(folder / "s"), **options)


def test_ranges_hold_whole_fragments_up_to_a_number_of_rows(tmp_path: Path) -> None:
    paths = write_fragments(heads(10), tmp_path, 4)
    first, second, third = paths
    whole = [Range(0, (first, second), 0, 8), Range(1, (third,), 8, 2)]
    assert ranges_of(paths, 8) == ranges_of(paths, 9) == whole
    assert ranges_of(paths, 10) == [Range(0, tuple(paths), 0, 10)]
    assert ranges_of(paths, 7) == [Range(0, (first,), 0, 4), Range(1, (second, third), 4, 6)]
    assert ranges_of(paths, 1) == [Range(0, (first,), 0, 4), Range(1, (second,), 4, 4), Range(2, (third,), 8, 2)]
    assert ranges_of([], 8) == []


def test_rejected_heads_are_left_out_of_what_is_read(tmp_path: Path) -> None:
    found = selection(tmp_path)
    first, last = found.ranges
    found.reject(np.array([0, 9]), np.array([1.5, 2.5]), "few", 3.0)
    found.reject(np.array([4]), np.array([7.0]), "many", 5.0)
    found.reject(np.array([5]), np.array([2.0]), "few", 3.0)
    table, rows = found.kept(first, ["key"])
    assert rows.tolist() == [1, 2, 3, 6, 7]
    assert table["key"].to_pylist() == [f"{number:032x}" for number in rows]
    assert found.kept(last, ["key"])[1].tolist() == [8]
    assert found.reasons == [("", None), ("few", 3.0), ("many", 5.0)]
    assert found.code.tolist() == [1, 0, 0, 0, 2, 1, 0, 0, 0, 1]
    places, values = found.measured.read(first)
    assert dict(zip(places.tolist(), values.to_pylist(), strict=True)) == {0: 1.5, 4: 7.0, 5: 2.0}
    assert [values.to_pylist() for values in found.measured.read(last)[1:]] == [[2.5]]
    assert found.measured.read(last)[0].tolist() == [1]


@pytest.mark.parametrize("passes", [1, 2, 5])
@pytest.mark.parametrize("size", [0, 5_000])
def test_each_row_is_in_one_partition_and_equal_keys_are_in_the_same(tmp_path: Path, passes: int, size: int) -> None:
    found = selection(tmp_path, 40, passes=passes, partition_bytes=1_000)
    numbers = np.array([[(row % 7) << 61, row % 7] for row in range(40)], dtype=np.uint64)

    def parted(part: Range) -> tuple[pa.Table, np.ndarray]:
        rows = np.arange(part.start, part.start + part.rows)
        return by_key(numbers[rows], rows), places_of(numbers[rows])

    tables = list(found.grouped(pa.schema([*HASH, ROW]), parted, size))
    assert sorted(row for table in tables for row in table["row"].to_pylist()) == list(range(40))
    keys = [set(table["low"].to_pylist()) for table in tables]
    assert sum(map(len, keys)) == 7
    assert [min(one) for one in keys] == sorted(min(one) for one in keys)
    assert (len(tables) > 1) == (size > 0 or passes > 1)


def test_partitions_are_no_more_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    whole = corpus.PartitionedRows

    def counted(folder: str, schema: pa.Schema, partitions: int) -> object:
        made.append(partitions)
        return whole(folder, schema, partitions)

    found = selection(tmp_path, partition_bytes=100)
    monkeypatch.setattr(corpus, "PartitionedRows", counted)
    numbers = np.zeros((10, 2), dtype=np.uint64)
    for size in (0, 99, 100, 1_000, 10**9):
        list(found.grouped(pa.schema([*HASH, ROW]), lambda part: split(part, numbers), size))
    assert made == [1, 1, 2, 11, corpus.MAX_PARTITIONS]


def split(part: Range, numbers: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    """Return the rows of a range with their places."""
    rows = np.arange(part.start, part.start + part.rows)
    return by_key(numbers[rows], rows), places_of(numbers[rows])


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
def test_places_lie_below_one_and_sort_as_keys_do(values: list[int]) -> None:
    numbers = np.array([[value, 0] for value in sorted(values)], dtype=np.uint64)
    places = places_of(numbers).tolist()
    assert places == sorted(places)
    assert all(0 <= place < 1 for place in places)
    assert places_of(np.array([[2**63, 0]], dtype=np.uint64)).tolist() == [0.5]
