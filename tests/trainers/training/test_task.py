"""Each family's task module has the functions that the registry calls, and builds its model without data or memory."""

import inspect

import pytest
import torch

from corpusloom.trainers.registry import family
from corpusloom.trainers.training.config import FAMILIES, config_names, load_config
from corpusloom.trainers.training.task import FamilyModule, overlap_note
from tests.trainers.training.toy import toy_task


@pytest.mark.parametrize("name", FAMILIES)
def test_a_familys_module_has_the_functions_of_the_protocol(name: str) -> None:
    for function in ("build_model", "build_objective", "example_batch", "build_task"):
        wanted = list(inspect.signature(getattr(FamilyModule, function)).parameters)[1:]
        assert list(inspect.signature(getattr(family(name), function)).parameters) == wanted


@pytest.mark.parametrize("name", FAMILIES)
def test_a_familys_smallest_model_is_built_on_the_meta_device(name: str) -> None:
    with torch.device("meta"):
        model = family(name).build_model(load_config(f"{name}-tiny"))
    trained = {parameter.device.type for parameter in model.parameters() if parameter.requires_grad}
    assert trained == {"meta"}
    assert f"{name}-tiny" in config_names()


def test_a_task_has_neither_evaluation_nor_attachments_unless_it_says_so() -> None:
    task = toy_task()
    assert task.evaluate is None
    assert task.attachments == {}


@pytest.mark.parametrize(
    ("split", "evaluated", "told"), [(None, "val", 1), ("val", "val", 1), ("train", "val", 0), (None, None, 0)]
)
def test_an_evaluation_on_samples_that_are_trained_on_is_told(
    split: str | None, evaluated: str | None, told: int
) -> None:
    assert len(overlap_note(split, evaluated)) == told
