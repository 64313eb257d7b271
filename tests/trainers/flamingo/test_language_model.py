"""The frozen language model: its type of weights, and 8-bit rows against fp32."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers.pytorch_utils import Conv1D

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo.config import BUNDLED, FrozenLanguageConfig
from corpusloom.trainers.flamingo.language_model import Int8Linear, load_language, quantise
from corpusloom.trainers.lm import adapter
from tests.trainers.lm.tiny import SHAPES, tiny


def test_a_row_of_8_bits_is_off_by_half_a_step_of_its_scale_at_most() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(64, 48)
    linear.weight.data[3] = 0
    small = Int8Linear(linear.weight.detach(), linear.bias)
    assert small.weight.dtype == torch.int8
    error = (small.weight.float() * small.scale[:, None] - linear.weight).abs()
    assert (error <= linear.weight.abs().amax(1, keepdim=True) / 127 / 2 * (1 + 1e-5)).all()
    x = torch.randn(5, 64)
    relative = (small(x) - linear(x)).norm() / linear(x).norm()
    assert 0 < relative < 0.01
    assert not list(small.parameters())


@pytest.mark.parametrize("family", SHAPES)
def test_logits_of_8_bit_layers_are_close_to_those_of_fp32(family: str) -> None:
    torch.manual_seed(0)
    deviation = "init_std" if family == "opt" else "initializer_range"
    model, tokens = tiny(family, **{deviation: 0.2}), torch.randint(0, 50, (2, 20))
    exact = model(tokens)
    for layer in model.layers:
        quantise(layer)
    assert not any(isinstance(module, nn.Linear | Conv1D) for module in model.layers.modules())
    relative = (model(tokens) - exact).norm() / exact.norm()
    assert 1e-5 < relative < 0.06


def test_the_type_of_the_weights_is_the_configured_one(tmp_path: Path) -> None:
    for dtype, wanted in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        model = load_language(FrozenLanguageConfig(weights=BUNDLED, dtype=dtype), "tests")
        assert {parameter.dtype for parameter in model.parameters()} == {wanted}
        assert not any(parameter.requires_grad for parameter in model.parameters())
        assert not model.training
    small = load_language(FrozenLanguageConfig(weights=BUNDLED, dtype="int8"), "tests")
    assert {buffer.dtype for buffer in small.layers.buffers()} >= {torch.int8}
    with pytest.raises(ConfigError, match="dtype is 'fp8'"):
        FrozenLanguageConfig(dtype="fp8")


def test_a_configuration_without_a_language_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="no language model"):
        load_language(FrozenLanguageConfig(), "tests")


def test_the_bundled_model_finds_its_own_world_likelier_than_noise() -> None:
    model = load_language(FrozenLanguageConfig(weights=BUNDLED), "tests")
    tokenizer = adapter.load_tokenizer("trainers/flamingo/weights")

    def loss(text: str) -> float:
        tokens = torch.tensor([[tokenizer.bos, *tokenizer.ids(text)]])
        return float(F.cross_entropy(model(tokens)[0, :-1], tokens[0, 1:]).detach())

    assert model.vocab_size == 1024
    assert loss("two large red stars on a striped brown ground") + 1 < loss("stars brown a striped on two ground red")
