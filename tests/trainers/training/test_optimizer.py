"""Parameter groups, weight decay, frozen parameters, and the learning rate of each step."""

import dataclasses
import itertools
import math

import pytest
import torch
from torch import nn

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.training.config import GroupConfig, TrainConfig
from corpusloom.trainers.training.optimizer import (
    MovingAverage,
    freeze,
    frozen_modules,
    layer_factors,
    learning_rate,
    make_optimizer,
    parameter_groups,
    set_learning_rate,
)
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


def test_the_exponential_schedule_falls_by_equal_factors_to_a_tenth() -> None:
    rates = [learning_rate(step, schedule("exponential")) for step in (10, 40, 70, 100)]
    assert rates[0] == 2.0
    assert rates[-1] == pytest.approx(0.2)
    assert [later / before for before, later in itertools.pairwise(rates)] == pytest.approx([0.1 ** (1 / 3)] * 3)


def test_the_linear_schedule_falls_to_zero_and_the_constant_one_stays() -> None:
    assert learning_rate(55, schedule("linear")) == pytest.approx(1.0)
    assert learning_rate(99, schedule("constant")) == 2.0


@pytest.mark.parametrize("name", ["cosine", "linear", "constant"])
def test_a_run_that_is_all_warmup_ends_at_the_peak(name: str) -> None:
    assert learning_rate(9, schedule(name, steps=10, warmup=10)) == 2.0


def test_the_rate_drops_to_a_tenth_after_each_given_share_of_the_steps() -> None:
    dropped = dataclasses.replace(schedule("constant"), lr_drops=(0.6, 0.8))
    rates = [learning_rate(step, dropped) for step in (59, 60, 79, 80, 99)]
    assert rates == pytest.approx([2.0, 0.2, 0.2, 0.02, 0.02])
    with pytest.raises(ConfigError, match=r"lr_drops is \[1\.5\] .*give shares from 0 to 1"):
        dataclasses.replace(dropped, lr_drops=(1.5,))


def test_a_group_freezes_scales_and_exempts_the_names_that_fit() -> None:
    model = Model()
    groups = {
        "*": GroupConfig(lr_factor=0.5),
        "layer.*": GroupConfig(weight_decay=0.25),
        "embedding.*": GroupConfig(freeze=True),
    }
    config = toy_config(groups=groups, weight_decay=0.5)
    freeze(model, groups)
    found = {id(p): group for group in parameter_groups(model, config) for p in group["params"]}
    assert id(model.embedding.weight) not in found
    assert found[id(model.layer.weight)]["weight_decay"] == 0.25
    assert found[id(model.layer.weight)]["lr_factor"] == 0.1
    assert found[id(model.norm.weight)]["lr_factor"] == 0.5
    assert found[id(model.norm.weight)]["weight_decay"] == 0


@pytest.mark.parametrize(
    ("pattern", "message"), [("layr.*", r"no parameter fits 'layr\.\*'.*layer\.\*"), ("*", "every parameter is frozen")]
)
def test_a_pattern_without_a_parameter_and_a_model_without_training_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        freeze(Model(), {pattern: GroupConfig(freeze=True)})


def test_a_part_that_is_frozen_whole_stays_in_evaluation_mode() -> None:
    model = Model()
    assert frozen_modules(model) == [model.frozen]
    assert frozen_modules(nn.Sequential(model, nn.Dropout(0.5))) == [model.frozen]


def test_layer_decay_falls_from_the_last_block_to_the_embeddings() -> None:
    image = ImageTowerConfig(size=8, layers=3, width=8, heads=2, patch=4)
    text = TextTowerConfig(vocab_size=9, context=4, layers=1, width=8, heads=2)
    factors = layer_factors(
        CLIP(CLIPConfig(embed_dim=4, image=image, text=text)), {"image.*": GroupConfig(layer_decay=0.5)}
    )
    assert factors["image.patch_embedding.weight"] == 0.5**3
    assert factors["image.positions"] == 0.5**3
    assert [factors[f"image.blocks.{number}.fc.weight"] for number in range(3)] == [0.25, 0.5, 1.0]
    assert factors["image.projection.weight"] == 1.0
    assert not any(name.startswith("text.") for name in factors)


def test_a_moving_average_follows_the_weights_and_gives_them_back() -> None:
    model = Model()
    average = MovingAverage(model, 0.9)
    before = model.layer.weight.detach().clone()
    with torch.no_grad():
        model.layer.weight.add_(1.0)
    after = model.layer.weight.detach().clone()
    average.update(model)
    with average.applied(model):
        assert torch.allclose(model.layer.weight, 0.9 * before + 0.1 * after)
    assert torch.equal(model.layer.weight, after)
    assert "frozen.weight" not in average.weights


@pytest.mark.parametrize(("warmup", "steps"), [(3, 3), (0.25, 5), (0, 0), (50, 20), (1, 1)])
def test_a_warmup_is_a_number_of_steps_or_below_one_their_share(warmup: float, steps: int) -> None:
    assert toy_config(warmup=warmup, steps=20).warmup_steps == steps
