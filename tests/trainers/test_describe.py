"""The dry run: parameters and memory, counted without data or memory."""

import json

import pytest
import torch
from torch import nn

from corpusloom.trainers.describe import count_parameters, describe, describe_run
from corpusloom.trainers.training.config import config_names, load_config


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Linear(10, 20)
        self.frozen = nn.Linear(10, 5, bias=False).requires_grad_(False)
        self.head = nn.Linear(10, 20)
        self.head.weight = self.tower.weight


def test_parameters_count_once_by_part() -> None:
    assert count_parameters(Parts()) == {
        "total": 290,
        "trainable": 240,
        "frozen": 50,
        "by_part": {"tower": 220, "frozen": 50, "head": 20},
    }


def test_a_model_may_name_its_parts() -> None:
    model = Parts()
    model.part_of = lambda name: "all"  # type: ignore[assignment]
    assert count_parameters(model)["by_part"] == {"all": 290}


def test_memory_of_a_linear_layer_on_the_meta_device() -> None:
    with torch.device("meta"):
        described = describe(nn.Linear(10, 20, bias=False))
    assert described["memory"] == {"weights": 800, "gradients": 800, "optimizer": 1600, "checkpoint": 2400}


def test_a_dry_run_of_the_largest_clip_prints_json() -> None:
    described = json.loads(json.dumps(describe_run(load_config("clip-rn50x64"))))
    assert described["parameters"]["total"] == 623_258_305
    assert set(described["parameters"]["by_part"]) == {"image", "text", "logit_scale"}


@pytest.mark.parametrize("name", [name for name in config_names() if name != "flamingo-80b"])
def test_every_bundled_configuration_has_a_dry_run(name: str) -> None:
    assert describe_run(load_config(name))["parameters"]["total"] > 0
