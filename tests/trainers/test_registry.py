"""From a configuration to its family's code, and from a checkpoint to its model."""

import pytest
import torch

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.registry import build_model, family, load_evaluated, load_model
from corpusloom.trainers.training.config import load_config


def test_a_family_is_its_task_module() -> None:
    assert family("clip").__name__ == "corpusloom.trainers.clip.task"


def test_a_model_is_built_on_the_default_device() -> None:
    with torch.device("meta"):
        model = build_model(load_config("clip-tiny"))
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_a_folder_without_a_checkpoint_is_an_error(tmp_path: object) -> None:
    with pytest.raises(InputError, match="no complete checkpoint"):
        load_model(str(tmp_path))


def test_a_family_without_frozen_parts_has_nothing_to_relocate() -> None:
    with pytest.raises(ConfigError, match="--set: a vilbert has no frozen part to relocate"):
        load_evaluated("vilbert", "runs/vilbert", ["model.vision.checkpoint=x"])
