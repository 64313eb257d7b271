"""A run uses a split of the annotations, and trains on those whose right answer is known."""

from dataclasses import replace

import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.vilbert.config import TASKS
from corpusloom.trainers.vilbert.downstream.annotations import READERS, check_labelled, of_split
from corpusloom.trainers.vilbert.downstream.formats.questions import Question

ONE = Question(0, "7", 1, "?", ("yes",) * 10)
OTHER = replace(ONE, number=1, key="8", split="minval", answers=())


def test_a_split_has_its_own_annotations_with_their_numbers() -> None:
    assert of_split([ONE, OTHER], "minval", ["f.json"]) == [OTHER]
    assert of_split([ONE, OTHER], None, ["f.json"]) == [ONE, OTHER]
    with pytest.raises(ConfigError, match=r"f\.json: no annotation is in split 'val' \(there are: minval, train\)"):
        of_split([ONE, OTHER], "val", ["f.json"])


def test_an_annotation_without_an_answer_is_not_trained_on() -> None:
    check_labelled([ONE], ["f.json"])
    with pytest.raises(InputError, match=r"f\.json: annotation 8 has no answer to learn"):
        check_labelled([ONE, OTHER], ["f.json"])


def test_each_task_with_a_head_of_its_own_has_a_reader() -> None:
    assert set(READERS) == set(TASKS) - {"pretrain", "retrieval"}
