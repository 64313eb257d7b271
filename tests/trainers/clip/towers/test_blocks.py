"""The transformer block: one token computed alone, the activation."""

import pytest
import torch

from corpusloom.trainers.clip.towers.blocks import TransformerBlock, quick_gelu, read_one, take


@pytest.mark.parametrize("causal", [True, False])
def test_the_last_block_computes_one_token_with_the_values_and_gradients_of_all(causal: bool) -> None:
    torch.manual_seed(0)
    blocks = torch.nn.Sequential(*(TransformerBlock(8, 2, causal=causal, activation=quick_gelu) for _ in range(2)))
    blocks.double()
    x, read = torch.randn(3, 5, 8, dtype=torch.double), torch.tensor([4, 0, 2])
    expected, found = take(blocks(x), read)[:, 0], read_one(blocks, x, read)
    assert torch.allclose(found, expected, atol=1e-12)
    wanted = torch.autograd.grad(expected.square().sum(), list(blocks.parameters()))
    given = torch.autograd.grad(found.square().sum(), list(blocks.parameters()))
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(given, wanted, strict=True))


def test_quick_gelu_is_x_times_the_sigmoid_of_1_702_x() -> None:
    x = torch.linspace(-9, 9, 99, dtype=torch.double)
    assert torch.allclose(quick_gelu(x), x * torch.sigmoid(1.702 * x), atol=1e-14)
