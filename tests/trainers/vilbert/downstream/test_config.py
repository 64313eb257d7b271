"""Keys of the pre-training are refused in a task, and a task without annotations names the key."""

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig, need_annotations, task_data_config


def test_a_pre_trainings_configuration_is_no_tasks() -> None:
    with pytest.raises(ConfigError, match=r"vilbert-tiny: data\.objective is of the pre-training"):
        task_data_config(load_config("vilbert-tiny", ['model.task="vqa"']))


def test_a_task_needs_annotations() -> None:
    with pytest.raises(ConfigError, match=r"^data\.annotations: no annotations"):
        need_annotations(TaskDataConfig())
    assert need_annotations(TaskDataConfig(annotations=("a",))) == ("a",)


def test_the_shipped_tasks_have_the_papers_numbers() -> None:
    vqa = load_config("vilbert-vqa")
    assert task_data_config(vqa).tokens == 16
    assert (vqa.train.steps, vqa.train.lr, vqa.train.lr_drops) == (20 * 2559, 4e-5, (0.6, 0.8))
    assert vqa.train.lr * vqa.train.groups["head.*"].lr_factor == pytest.approx(1e-4)
    assert task_data_config(load_config("vilbert-refcoco")).split == "train"
    with pytest.raises(ConfigError, match=r"data\.ground_truth: vqa has no ground-truth boxes"):
        task_data_config(load_config("vilbert-vqa", ["data.ground_truth=boxes"]))
