"""Rows are found by any of several columns, also inside lists, over all row groups."""

from pathlib import Path

import pyarrow as pa

from corpusloom.pipelines.datasets.explain.filtered_rows import matching, texts
from corpusloom.schemas import tables

ROWS = [
    {"key": "a", "url": "u1", "images": ["i1", "i2"]},
    {"key": "b", "url": None, "images": []},
    {"key": "c", "url": "u3", "images": ["i2"]},
    {"key": "d", "url": "", "images": ["i4", "i4"]},
]


def write(folder: Path) -> str:
    path = str(folder / "t.parquet")
    tables.write_table(path, pa.Table.from_pylist(ROWS), row_group_rows=3)
    return path


def test_a_row_matches_by_any_column(tmp_path: Path) -> None:
    path = write(tmp_path)

    def keys(**values: set[str]) -> list[str]:
        return [row["key"] for row in matching(path, ("key", "url", "images"), values)]

    assert keys(key={"a", "d", "x"}) == ["a", "d"]
    assert keys(key={"b"}, url={"u3"}) == ["b", "c"]
    assert keys(images={"i2"}) == ["a", "c"]
    assert keys(images={"i4"}, url={"u1"}) == ["a", "d"]
    assert keys(url=set()) == keys(other={"a"}) == []


def test_only_the_named_columns_are_read(tmp_path: Path) -> None:
    assert list(matching(write(tmp_path), ("key", "missing"), {"key": {"b"}})) == [{"key": "b"}]


def test_texts_are_those_of_all_row_groups_without_nulls(tmp_path: Path) -> None:
    assert sorted(texts(write(tmp_path), ("url", "images"))) == ["i1", "i2", "i4", "u1", "u3"]
