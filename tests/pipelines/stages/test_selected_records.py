"""Ranges divide the keys without gap or overlap, and only the rows of a range are read."""

from pathlib import Path

import pytest

from corpusloom.pipelines.stages.selected_records import key_range, read_range
from corpusloom.schemas import layout, tables
from corpusloom.schemas.records import Head


@pytest.mark.parametrize("shards", [1, 2, 8, 1024])
def test_ranges_touch_and_cover_every_key(shards: int) -> None:
    ranges = [key_range(index, shards) for index in range(shards)]
    assert ranges[0][0] == "0" * 32
    assert ranges[-1][1] > "f" * 32
    assert [high for _, high in ranges[:-1]] == [low for low, _ in ranges[1:]]


@pytest.mark.parametrize("key", ["0" * 32, "3" + "f" * 31, "4" + "0" * 31, "f" * 32])
def test_a_key_lies_in_the_range_of_its_shard(key: str) -> None:
    low, high = key_range(layout.shard_of(key, 4), 4)
    assert low <= key < high


def test_a_range_holds_its_first_key_and_not_its_last(tmp_path: Path) -> None:
    keys = [f"{n:032x}" for n in range(10)]
    path = str(tmp_path / "heads.parquet")
    tables.write_records(path, Head, [Head(unit="page", key=key, parent="", url="u") for key in keys], sort_by=("key",))
    assert [row.key for row in read_range(path, Head, keys[3], keys[6])] == keys[3:6]
    assert list(read_range(path, Head, "f" * 32, "g")) == []
