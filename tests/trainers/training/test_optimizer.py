"""Parameter groups, weight decay, frozen parameters, and the learning rate of each step."""

import math

import pytest
import torch
from torch import nn

from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.optimizer import learning_rate, make_optimizer, parameter_groups, set_learning_rate
from tests.trainers.training.toy import toy_config


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, 3)
        self.layer = nn.Linear(3, 3)
        self.norm = nn.LayerNorm(3)
        self.scale = nn.Parameter(torch.zeros(1))
        self.frozen = nn.Linear(3, 3).requires_grad_(False)

    def no_decay(self) -> tuple[str, ...]:
        return ("embedding.weight",)

    def lr_factor(self, name: str) -> float:
        return 0.1 if name.startswith("layer") else 1.0


def test_matrices_decay_except_those_that_the_model_exempts() -> None:
    model = Model()
    groups = parameter_groups(model, toy_config(weight_decay=0.5))
    decayed = [p for group in groups if group["weight_decay"] for p in group["params"]]
    assert [id(p) for p in decayed] == [id(model.layer.weight)]
    everything = [id(p) for group in groups for p in group["params"]]
    assert len(everything) == len(set(everything)) == 6
    assert not any(id(p) in everything for p in model.frozen.parameters())


def test_a_factor_scales_a_groups_learning_rate() -> None:
    model = Model()
    optimizer = make_optimizer(model, toy_config())
    set_learning_rate(optimizer, 0.2)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rates[id(model.layer.bias)] == pytest.approx(0.02)
    assert rates[id(model.scale)] == 0.2


def schedule(name: str, steps: int = 100, warmup: int = 10) -> TrainConfig:
    return toy_config(steps=steps, warmup=warmup, lr=2.0, schedule=name)


def test_the_warmup_is_linear_and_reaches_the_peak() -> None:
    rates = [learning_rate(step, schedule("cosine")) for step in range(11)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[10] == pytest.approx(2.0)


@pytest.mark.parametrize("step", [10, 25, 55, 99])
def test_the_cosine_schedule_is_half_a_period_down_to_zero(step: int) -> None:
    expected = 2.0 * 0.5 * (1 + math.cos(math.pi * (step - 10) / 90))
    assert learning_rate(step, schedule("cosine")) == pytest.approx(expected)


def test_the_linear_schedule_falls_to_zero_and_the_constant_one_stays() -> None:
    assert learning_rate(55, schedule("linear")) == pytest.approx(1.0)
    assert learning_rate(99, schedule("constant")) == 2.0


@pytest.mark.parametrize("name", ["cosine", "linear", "constant"])
def test_a_run_that_is_all_warmup_ends_at_the_peak(name: str) -> None:
    assert learning_rate(9, schedule(name, steps=10, warmup=10)) == 2.0
