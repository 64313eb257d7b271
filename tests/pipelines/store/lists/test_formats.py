"""Lists by their names: formats with and without compression, folders, globs."""

from pathlib import Path

import pytest

from corpusloom.pipelines.store.lists.formats import find_lists, format_of
from corpusloom.schemas.errors import ConfigError, InputError


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.parquet", "parquet"), ("A.CSV", "csv"), ("a.b.tsv", "tsv"), ("a.jsonl", "jsonl"), ("a.ndjson", "jsonl"),
     ("a.json", "json"), ("a.csv.gz", "csv"), ("a.JSON.ZST", "json"), ("a.txt.bz2", "text"),
     ("s3://bucket/a.txt", "text")],
)  # fmt: skip
def test_the_format_is_that_of_the_name(name: str, kind: str) -> None:
    assert format_of(name) == kind


@pytest.mark.parametrize("name", ["folder.csv/list", "a.parquet.gz", "a.gz", "a.csv.zip"])
def test_a_name_without_a_known_format_lists_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match=r"rename it to end in \.parquet, \.csv"):
        format_of(name)


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")


def test_a_folder_gives_its_lists_by_name_without_what_programs_write_beside_them(tmp_path: Path) -> None:
    write(tmp_path, "b.csv", "a.csv.gz", "sub/c.csv", "_SUCCESS", "_tmp.csv", ".b.csv.crc", ".b.csv", "README.md")
    found = find_lists((str(tmp_path), str(tmp_path / "b.csv")))
    assert [path.removeprefix(f"{tmp_path}/") for path in found] == ["a.csv.gz", "b.csv", "sub/c.csv"]


def test_a_folder_or_glob_of_two_formats_is_refused_and_two_lists_are_not(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "a.jsonl")
    for pattern in (str(tmp_path), str(tmp_path / "a.*")):
        with pytest.raises(InputError, match="several formats: csv, jsonl"):
            find_lists((pattern,))
    assert len(find_lists((str(tmp_path / "a.csv"), str(tmp_path / "a.jsonl")))) == 2


def test_a_folder_without_a_list_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "README.md")
    with pytest.raises(InputError, match=r"holds no list \(\.parquet, "):
        find_lists((str(tmp_path),))
    with pytest.raises(ConfigError, match=r"README\.md: unknown format"):
        find_lists((str(tmp_path / "*.md"),))
