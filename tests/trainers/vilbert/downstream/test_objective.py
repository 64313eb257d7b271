"""A step's loss is the mean over its annotations, and rows beyond the keys do not count."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.task import StepContext
from corpusloom.trainers.vilbert.downstream.objective import TaskObjective, predict
from corpusloom.trainers.vilbert.downstream.tasks.answers import AnswerVocabulary
from corpusloom.trainers.vilbert.downstream.tasks.vqa import VQATask
from tests.trainers.vilbert.downstream.test_model import task_model
from tests.trainers.vilbert.small import random_inputs

TASK = VQATask(AnswerVocabulary(tuple("abcdefg")))
CONTEXT = StepContext(step=0, config=TrainConfig(steps=1, batch_size=3, lr=1.0), device=torch.device("cpu"))


def loss(model: nn.Module, batch: dict[str, Any], total: float) -> torch.Tensor:
    (found,) = TaskObjective(TASK).losses(model, batch, {"annotations": total}, CONTEXT)
    return found.value


def test_the_loss_of_a_step_is_the_mean_over_its_annotations() -> None:
    model, scores = task_model("vqa"), torch.rand(3, 7)
    batch = {**random_inputs(), "scores": scores, "keys": ["a", "b", "c"]}
    expected = TASK.losses(predict(model, batch), {"scores": scores}).mean()
    torch.testing.assert_close(loss(model, batch, 3), expected)
    assert TaskObjective(TASK).counts(batch) == {"annotations": 3}
    two = {**batch, "keys": ["a", "b"]}
    torch.testing.assert_close(loss(model, two, 3) + loss(model, _last(batch), 3), expected)


def _last(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: value[2:] for name, value in batch.items()}


def test_columns_that_are_padding_in_all_texts_are_left_out_and_change_no_logit() -> None:
    model, batch, widths = task_model("vcr"), random_inputs(), list[int]()
    shape = (3, 4, 7)
    mask = torch.arange(7) < torch.arange(3, 7).repeat(3, 1)[..., None]
    texts = {"tokens": torch.randint(5, 50, shape), "token_mask": mask, "segments": torch.randint(0, 2, shape)}
    padded = {name: F.pad(value, (0, 3)) for name, value in texts.items()}
    model.text_layers[0].register_forward_hook(lambda _, inputs, __: widths.append(inputs[0].shape[1]))
    torch.testing.assert_close(predict(model, batch | texts), model(**batch | texts))
    assert torch.equal(predict(model, batch | padded), predict(model, batch | texts))
    assert widths == [6, 7, 6, 6]


def test_a_rank_without_an_annotation_has_a_loss_of_zero() -> None:
    batch = {**random_inputs(), "scores": torch.rand(3, 7), "keys": []}
    assert loss(task_model("vqa"), batch, 5).item() == 0.0
