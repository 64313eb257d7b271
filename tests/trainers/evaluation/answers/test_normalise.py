"""Answers in the normal form of VQA's evaluation code, mark by mark."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.answers.normalise import load_contractions, normalise


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        ("The Red Bus.", "red bus"),
        ("two", "2"),
        ("None", "0"),
        ("an apple, a pear", "apple pear"),  # a comma beside a blank goes
        ("red/blue", "red blue"),  # a mark between letters becomes a blank
        ("1,000", "1000"),  # all marks of a text with such a number go
        ("1,000 and red/blue", "1000 and redblue"),
        ("3.5", "3.5"),
        ("U.S.", "us"),
        ("dont", "don't"),
        ("don't", "don't"),  # no mark of the list
    ],
)
def test_an_answer_has_the_normal_form_of_the_evaluation_code(answer: str, normal: str) -> None:
    assert normalise(answer) == normal


def test_a_table_of_contractions_is_read_by_path(tmp_path: Path) -> None:
    path = tmp_path / "contractions.json"
    path.write_text('{"itll": "it\'ll"}')
    assert normalise("Itll dont", load_contractions(str(path))) == "it'll dont"


@pytest.mark.parametrize(("text", "what"), [("[", "not JSON"), ('["dont"]', "not a table of words")])
def test_another_file_is_refused(text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(InputError, match=what):
        load_contractions(str(tmp_path / "table.json"))
