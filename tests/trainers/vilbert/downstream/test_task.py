"""Each task has the interface, its example has its targets' shapes, and its annotations what the tasks share."""

from typing import Any

import numpy as np
import pytest

from corpusloom.trainers.vilbert.downstream.formats.expressions import Expression
from corpusloom.trainers.vilbert.downstream.formats.problems import Problem
from corpusloom.trainers.vilbert.downstream.formats.questions import Question
from corpusloom.trainers.vilbert.downstream.task import DownstreamTask, TaskAnnotation
from corpusloom.trainers.vilbert.downstream.tasks.answers import AnswerVocabulary
from corpusloom.trainers.vilbert.downstream.tasks.refcoco import RefCOCOTask
from corpusloom.trainers.vilbert.downstream.tasks.vcr import VCRTask
from corpusloom.trainers.vilbert.downstream.tasks.vqa import VQATask
from corpusloom.trainers.vilbert.downstream.texts import Choices, texts_of
from tests.trainers.vilbert.downstream.worlds import region_sample

CASES: list[tuple[DownstreamTask, Any]] = [
    (VQATask(AnswerVocabulary(("yes", "no"))), Question(0, "1", 1, "?", ("yes",) * 10)),
    (RefCOCOTask(6), Expression(0, "1/2", 1, "the cat", (0, 0, 5, 5), 100, 100, "val")),
    (
        VCRTask(),
        Problem(0, "val-1/answer", "val-1", "1", "val-1", Choices(("?",), ("a", "b", "c", "d")), 2, None, "val"),
    ),
]


@pytest.mark.parametrize(("task", "annotation"), CASES)
def test_targets_have_the_shapes_of_the_example(task: DownstreamTask, annotation: Any) -> None:
    shared: TaskAnnotation = annotation
    assert (shared.number, str(shared.image), shared.labelled) == (0, "1", True)
    assert (task.choices or 1) == len(list(texts_of(shared.text))) - (task.choices is not None)
    targets, example = task.targets(annotation, region_sample(1)), task.example(3)
    assert targets.keys() == example.keys()
    for name, value in targets.items():
        assert (3, *np.shape(value)) == tuple(example[name].shape)
        assert str(value.dtype) == str(example[name].dtype).removeprefix("torch.")
