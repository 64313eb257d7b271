"""The heads of the tasks stand on h_IMG * h_CLS or on each region, and padding changes nothing."""

import torch

from corpusloom.trainers.vilbert.downstream.model import TaskModel
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from tests.trainers.vilbert.small import random_inputs, small_config


def task_model(task: str) -> TaskModel:
    torch.manual_seed(0)
    return TaskModel(small_config(task=task, answers=7)).eval()


def test_each_task_has_logits_of_its_own_shape() -> None:
    inputs = random_inputs()
    assert task_model("vqa")(**inputs).shape == (3, 7)
    assert task_model("refcoco")(**inputs).shape == (3, inputs["features"].shape[1] - 1)


def test_padding_changes_no_logit() -> None:
    inputs = random_inputs()
    noisy = {**inputs, "features": inputs["features"] + 5 * ~inputs["region_mask"][..., None]}
    real = inputs["region_mask"][:, 1:]
    for task in ("vqa", "refcoco"):
        first, second = task_model(task)(**inputs), task_model(task)(**noisy)
        chosen = real if task == "refcoco" else torch.ones_like(first, dtype=torch.bool)
        torch.testing.assert_close(first[chosen], second[chosen])


def test_a_task_model_has_the_streams_of_the_pre_training_and_no_other_head() -> None:
    names, own = set(ViLBERT(small_config()).state_dict()), set(task_model("vqa").state_dict())
    assert {name.partition(".")[0] for name in own - names} == {"head"}
    assert {name.partition(".")[0] for name in names - own} == {
        "alignment", "region_decoder", "region_transform", "word_bias", "word_transform",
    }  # fmt: skip
