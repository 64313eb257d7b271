"""The index of a TSV: where each row lies, what is wrong with it, and files that are no TSVs."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from corpusloom.pipelines.stages.regions.tsv import index_files
from corpusloom.pipelines.stages.regions.tsv.index import read_index
from corpusloom.pipelines.stages.regions.tsv.index_files import IndexTsv, file_order, index_rows, write_index
from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.records import FileEntry
from tests.pipelines.stages.regions.tsv.tsv_maker import BOTTOM_UP, cells, encode, line, write


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_row_is_where_the_index_says(tmp_path: Path, end: str) -> None:
    path = write(tmp_path / "a.tsv", BOTTOM_UP, *(cells(str(number), boxes=number) for number in (1, 2, 3)), end=end)
    data = path.read_bytes()
    found = list(index_rows(str(path), ()))
    assert [(row.image, row.line, row.fault) for row in found] == [("1", 1, None), ("2", 2, None), ("3", 3, None)]
    expected = [line(BOTTOM_UP, cells(str(number), boxes=number)) + end for number in (1, 2, 3)]
    assert [data[row.offset : row.offset + row.size].decode() for row in found] == expected


def test_a_header_and_blank_lines_are_no_rows_but_count_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("\n".join(("\t".join(BOTTOM_UP), "", line(BOTTOM_UP, cells("5")), "")))
    assert [(row.image, row.line) for row in index_rows(str(path), ())] == [("5", 3)]


def test_each_bad_row_has_its_reason_and_the_others_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_files, "MAX_LINE", 2_000)
    path = tmp_path / "a.tsv"
    wide = cells("3") | {"features": encode(np.zeros((2, 7), np.float32))}
    rows = [line(BOTTOM_UP, values) for values in (cells("1"), cells("2"), wide, cells("5"))]
    long = line(BOTTOM_UP, cells("4") | {"features": "A" * 4_500})
    path.write_text("\n".join((rows[0], rows[1] + "\tmore", rows[2], long, rows[3], rows[3][:-9])))
    found = [(row.image, row.line, row.fault) for row in index_rows(str(path), ())]
    assert found == [
        ("1", 1, None), ("", 2, "tsv_wrong_columns"), ("3", 3, "tsv_wrong_width"), ("", 4, "tsv_line_too_long"),
        ("5", 5, None), ("", 6, "tsv_wrong_base64"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "is empty"), (gzip.compress(b"x", mtime=0), "packed"), (b"a\0b\n", "packed or binary")]
)
def test_a_file_that_is_no_tsv_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"a.tsv: is .*{message.removeprefix('is ')}"):
        file_order(str(path), ())


def test_a_file_is_indexed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_files, "_ROWS", 2)
    path = write(tmp_path / "a.tsv", BOTTOM_UP, *(cells(str(number)) for number in range(5)))
    sha256, size = storage.hash_file(str(path))
    file = FileEntry(name=str(path), sha256=sha256, bytes=size)
    work = IndexTsv(str(tmp_path / "stage"), ())
    assert not work.is_finished(file)
    with work.open() as finish:
        assert finish(file) == ()
    assert work.is_finished(file)
    assert list(read_index(work.folder, file)) == list(index_rows(str(path), ()))


def test_an_index_of_bad_rows_alone_is_a_table(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", BOTTOM_UP, cells("1") | {"num_boxes": "9"})
    write_index(FileEntry(name=str(path), sha256="0" * 64, bytes=1), str(tmp_path), ())
    table = tables.read_table(str(tmp_path / f"{'0' * 16}.parquet"))
    assert table["fault"].to_pylist() == ["tsv_wrong_boxes_length"]
