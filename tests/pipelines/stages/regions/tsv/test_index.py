"""The index in memory: an image's row is found in the file that has it, and the first of several counts."""

from pathlib import Path

from corpusloom.pipelines.stages.regions.tsv.index import TsvIndex, read_index
from corpusloom.pipelines.stages.regions.tsv.index_files import write_index
from corpusloom.schemas.records import FileEntry
from tests.pipelines.stages.regions.tsv.tsv_maker import BOTTOM_UP, cells, write


def test_rows_of_several_files_are_found_and_the_first_good_one_counts(tmp_path: Path) -> None:
    bad = cells("3") | {"num_boxes": "9"}
    contents = {"a": [cells("1"), bad, cells("2"), cells("1")], "b": [cells("2"), cells("3")]}
    files = []
    for name, rows in contents.items():
        path = write(tmp_path / f"{name}.tsv", BOTTOM_UP, *rows)
        files.append(FileEntry(name=str(path), sha256=name * 64, bytes=path.stat().st_size))
        write_index(files[-1], str(tmp_path), ())
    index = TsvIndex(str(tmp_path), files)
    assert len(index) == 3
    found = {image: index.find(image) for image in ("1", "2", "3", "4")}
    assert {image: row and (row.file.sha256[0], row.row.line) for image, row in found.items()} == {
        "1": ("a", 1), "2": ("a", 3), "3": ("b", 2), "4": None,
    }  # fmt: skip
    duplicates = [
        (number, row.line)
        for number, file in enumerate(files)
        for row in read_index(str(tmp_path), file)
        if row.fault is None and index.is_duplicate(number, row)
    ]
    assert duplicates == [(0, 4), (1, 1)]


def test_no_file_has_no_row() -> None:
    assert TsvIndex("", ()).find("1") is None
