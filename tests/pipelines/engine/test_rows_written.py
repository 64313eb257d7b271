"""Rows that a stage writes are counted; those of earlier runs are not, and each file is opened once."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusloom.pipelines.engine.rows_written import RowsWritten
from corpusloom.schemas import tables


def test_new_rows_are_counted_and_each_file_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(name: str, rows: int) -> None:
        pq.write_table(pa.table({"a": list(range(rows))}), tmp_path / name)

    opened: list[str] = []
    count = tables.count_rows
    monkeypatch.setattr(tables, "count_rows", lambda path: opened.append(path) or count(path))
    write("part-1.parquet", 5)
    written = RowsWritten(str(tmp_path))
    assert written() == 0
    write("part-2.parquet", 3)
    (tmp_path / "model.json").write_text("{}")
    assert (written(), written()) == (3, 3)
    write("part-3.parquet", 4)
    assert written() == 7
    assert len(opened) == 2


def test_a_folder_that_does_not_exist_yet_has_no_rows(tmp_path: Path) -> None:
    assert RowsWritten(str(tmp_path / "none"))() == 0
