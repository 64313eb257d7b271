"""Places of contents by sha256, before and after recent ones are merged into the arrays."""

from pathlib import Path

import pyarrow as pa
import pytest

from corpusloom.pipelines.store.images.content_table import ContentTable
from corpusloom.pipelines.store.images.store import ImageStore


def test_content_is_found_before_and_after_merging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ContentTable, "MERGE", 4)
    table = ContentTable.of(ImageStore(str(tmp_path)).index().stored())
    names = [f"{number:064x}" for number in range(30)]
    for number, name in enumerate(names):
        assert table.find(name) is None
        table.add(name, f"pack-{number % 3}", number, 2 * number)
    assert [table.find(name) for name in names] == [(f"pack-{n % 3}", n, 2 * n) for n in range(30)]
    assert table.find("f" * 64) is None


def test_of_two_places_of_one_content_the_first_row_wins() -> None:
    rows = [("b" * 64, "p1", 7, 70), ("a" * 64, "p2", 8, 80), ("b" * 64, "p3", 9, 90)]
    columns = [pa.chunked_array([list(column)]) for column in zip(*rows, strict=True)]
    table = ContentTable.of(pa.table(columns, names=["sha256", "pack", "offset", "length"]))
    assert table.find("b" * 64) == ("p1", 7, 70)
    assert table.find("a" * 64) == ("p2", 8, 80)


def test_recent_contents_are_merged_at_the_threshold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ContentTable, "MERGE", 3)
    table = ContentTable.of(ImageStore(str(tmp_path)).index().stored())
    recent = []
    for number in range(4):
        table.add(f"{number:064x}", "p", number, 1)
        recent.append(len(table._recent))
    assert recent == [1, 2, 0, 1]
