"""Files of records; errors name the file, the record and the remedy."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.formats.rows import read_names, read_rows, record_errors
from tests.trainers.flamingo.benchmarks.folders import write


@pytest.mark.parametrize(
    ("name", "text", "records"),
    [("a.json", '[{"q": "1"}]', ""), ("b.json", '{"data": [{"q": "1"}]}', "data"), ("c.jsonl", '{"q": "1"}\n\n', "")]
    + [("d.csv", "\ufeffq\n1\n", "")],
)
def test_records_of_json_json_lines_and_csv_are_equal(name: str, text: str, records: str, tmp_path: Path) -> None:
    write(tmp_path, name, text)
    assert read_rows(str(tmp_path / name), records) == [{"q": "1"}]


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("a.json", "[", "a.json: cannot be read"),
        ("a.json", "[]", "no record"),
        ("a.json", "[1]", "not a list of records"),
        ("a.jsonl", '{"q": 1}\n{', "a.jsonl: line 2: cannot be read"),
        ("a.csv", "", "no record"),
    ],
)
def test_another_file_is_an_error_that_names_it(name: str, text: str, what: str, tmp_path: Path) -> None:
    write(tmp_path, name, text)
    with pytest.raises(InputError, match=what):
        read_rows(str(tmp_path / name))


def test_a_file_that_is_absent_and_a_key_without_records_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.json: no such file"):
        read_rows(str(tmp_path / "x.json"))
    write(tmp_path, "a.json", {"other": []})
    with pytest.raises(InputError, match="no field 'data'"):
        read_rows(str(tmp_path / "a.json"), "data")


def test_names_of_videos_are_lines_or_an_object(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "mv89psg6zh4_33_46 vid1\n\n")
    write(tmp_path, "a.json", {"123": "1164/123"})
    assert read_names(str(tmp_path / "a.txt")) == {"vid1": "mv89psg6zh4_33_46"}
    assert read_names(str(tmp_path / "a.json")) == {"123": "1164/123"}


def test_an_error_of_a_record_names_its_number() -> None:
    with (
        pytest.raises(InputError, match=r"here: record 3: no field 'answer' \(give the file"),
        record_errors("here", 3),
    ):
        raise KeyError("answer")
