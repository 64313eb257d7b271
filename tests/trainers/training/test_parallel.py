"""A model is divided by its plan; clipping and statistics of blocks that are computed twice."""

import pytest
import torch
from torch import nn

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.towers.batch_norm import BatchNorm
from corpusloom.trainers.training.config import ParallelConfig
from corpusloom.trainers.training.parallel import ParallelPlan, clip_gradients, parallelize, plan_of
from tests.trainers.training.toy import toy_model


class Planned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.Conv2d(4, 4, 1), BatchNorm(4), nn.ReLU()))

    def plan(self) -> ParallelPlan:
        return ParallelPlan(blocks=("blocks.1",), no_tensor="its layers cannot be split")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.blocks(x)
        return result


def test_clipping_returns_the_norm_before_and_limits_it() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    assert float(clip_gradients([parameter], None)) == 5
    assert float(clip_gradients([parameter], 1.0)) == 5
    assert float(parameter.grad.norm()) == pytest.approx(1, abs=1e-5)


def test_a_model_without_a_plan_is_one_unit() -> None:
    assert plan_of(toy_model()) == ParallelPlan()


def test_blocks_that_are_computed_twice_have_the_same_gradient_and_count_their_statistics_once() -> None:
    torch.manual_seed(0)
    one, other = Planned(), Planned()
    other.load_state_dict(one.state_dict())
    parallelize(other, ParallelConfig(activation_checkpointing=True))
    x = torch.randn(4, 3, 2, 2)
    for model in (one, other):
        model(x).square().sum().backward()
    for (name, first), second in zip(one.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(first.grad, second.grad), name
    for (name, first), second in zip(one.named_buffers(), other.buffers(), strict=True):
        assert torch.equal(first, second), name


def saved_numbers(model: nn.Module) -> int:
    """Return how many numbers a forward pass keeps for the backward pass."""
    sizes: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(torch.randn(4, 3, 2, 2))
    return sum(sizes)


def test_a_block_that_is_recomputed_keeps_its_inputs_only() -> None:
    recomputed = parallelize(Planned(), ParallelConfig(activation_checkpointing=True))
    assert saved_numbers(recomputed) < saved_numbers(Planned()) / 2


def test_compilation_by_block_gives_the_same_output() -> None:
    torch.manual_seed(0)
    model = Planned()
    x = torch.randn(4, 3, 2, 2)
    expected = model.eval()(x)
    compiled = parallelize(model, ParallelConfig(compile=True, compile_backend="aot_eager"))
    assert torch.allclose(compiled(x), expected, atol=1e-6)
    assert model.blocks[1]._compiled_call_impl is not None
    assert model._compiled_call_impl is None


def test_a_model_without_a_tensor_plan_is_refused_with_its_reason() -> None:
    with pytest.raises(ConfigError, match=r"its layers cannot be split.*parallel\.shard"):
        parallelize(Planned(), ParallelConfig(tensor=2))
