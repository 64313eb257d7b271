"""VCR's files are read as they are published: names for people, two problems per question, five without labels."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.formats.problems import NAMES, names_of, read_problems
from tests.trainers.vilbert.downstream.worlds import write_vcr

DATA = TaskDataConfig()


def test_a_question_gives_its_answers_and_the_rationales_of_the_right_answer(tmp_path: Path) -> None:
    path = write_vcr(tmp_path, [7], split="val")
    row = json.loads(Path(path).read_text())
    answers, rationales = read_problems([path], DATA)
    first, bottle, second = names_of(row["objects"], "val-7")
    assert bottle == "bottle"
    assert answers.text.context == (f"what animal do {first} and {second} see ?",)
    assert answers.text.choices == tuple(" ".join(words) for words in row["answer_choices"])
    assert (answers.key, answers.label, answers.given) == ("val-7/answer", row["answer_label"], None)
    right = answers.text.choices[row["answer_label"]]
    assert rationales.text.context == (*answers.text.context, right)
    assert rationales.text.choices[0] == f"{second} says {row['rationale_choices'][0][2]}"
    assert (rationales.key, rationales.label) == (f"val-7/rationale{row['answer_label']}", row["rationale_label"])
    for problem in (answers, rationales):
        assert (problem.image, problem.alias, problem.split) == ("COCO_val2014_000000000007", "val-7", "val")
        assert problem.labelled


def test_files_without_a_question_or_without_json_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "val.jsonl"
    for content, message in (
        ("\n", "no question"),
        ('[]\n{"annot_id": 1}', "record 0: TypeError"),
        ('{"annot_id": ', "line 1: cannot be read"),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=rf"val\.jsonl: {message}"):
            read_problems([str(path)], DATA)


def test_without_labels_the_rationales_of_every_answer_are_problems(tmp_path: Path) -> None:
    found = read_problems([write_vcr(tmp_path, [1, 2], split="test", labels=False)], DATA)
    assert [problem.number for problem in found] == list(range(10))
    assert [problem.given for problem in found[:5]] == [None, 0, 1, 2, 3]
    assert [problem.text.context[1] for problem in found[1:5]] == list(found[0].text.choices)
    assert not any(problem.labelled for problem in found)


def test_people_get_distinct_names_that_only_the_question_determines() -> None:
    people = names_of(["person"] * 20, "train-1")
    assert sorted(people) == sorted(NAMES)
    assert people == names_of(["person"] * 20, "train-1") != names_of(["person"] * 20, "train-2")
    assert names_of(["person"] * 21, "train-1")[20] == people[0]
    assert names_of(["dog", "person"], "train-1") == ["dog", people[0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"question": ["who", [3]]}, "IndexError: list index out of range"),
        ({"question": ["who", [-1]]}, "an object with a negative number"),
        ({"answer_choices": [["a"]] * 3}, "3 answers, not 4"),
        ({"rationale_choices": [["a"]] * 5}, "5 rationales, not 4"),
        ({"answer_label": 4}, "answer_label is 4"),
        ({"objects": None}, "TypeError"),
    ],
)
def test_a_record_that_does_not_fit_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = Path(write_vcr(tmp_path, [1, 2], split="val"))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in (rows[0], rows[1] | changes)))
    with pytest.raises(InputError, match=rf"val\.jsonl: record 1: .*{message}"):
        read_problems([str(path)], DATA)
