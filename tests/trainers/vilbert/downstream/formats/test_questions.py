"""VQA's files are read as they are published; a file of another content is named with the remedy."""

import json
from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.formats.questions import read_questions
from tests.trainers.vilbert.downstream.worlds import write_vqa


def test_minval_has_the_last_questions_of_val_by_id_and_train_all_others(tmp_path: Path) -> None:
    files = write_vqa(tmp_path, [30, 10, 20]) + write_vqa(tmp_path, [40], subset="train2014")
    data = TaskDataConfig(minval=3)
    found = read_questions(files, data)
    assert [question.key for question in found if question.split == "minval"] == ["201", "300", "301"]
    assert [question.key for question in found if question.split == "train"] == ["100", "101", "200", "400", "401"]
    assert [question.number for question in found] == list(range(8))
    assert all(question.split == "train" for question in read_questions(files, TaskDataConfig(minval=0)))
    first = found[0]
    assert (first.image, first.text, first.type, len(first.answers)) == (10, "what animal is it?", "other", 10)


def test_questions_without_annotations_are_read(tmp_path: Path) -> None:
    found = read_questions(write_vqa(tmp_path, [1])[:1], TaskDataConfig())
    assert [(question.answers, question.labelled) for question in found] == [((), False)] * 2


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    files, data = write_vqa(tmp_path, [1, 2]), TaskDataConfig()
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"images": []}))
    cases = [
        ([*files, str(other)], "other.json: has neither questions nor annotations"),
        ([files[1]], "no file of questions"),
        ([*files, str(tmp_path / "none.json")], "none.json: no such file"),
        ([files[0], write_vqa(tmp_path / "b", [1])[1]], "question 20 has no annotation"),
    ]
    for paths, message in cases:
        with pytest.raises(InputError, match=message):
            read_questions(paths, data)
    broken = json.loads(Path(files[0]).read_text())
    del broken["questions"][1]["image_id"]
    Path(files[0]).write_text(json.dumps(broken))
    with pytest.raises(InputError, match=r"val2014_questions\.json: record 1: no field 'image_id'"):
        read_questions(files, data)
