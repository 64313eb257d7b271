"""The image towers: shapes, patch dropout, attention pooling against PyTorch's own attention."""

import pytest
import torch
from torch.nn import functional as F

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.config import ImageTowerConfig
from corpusloom.trainers.clip.towers import (
    AttentionPool,
    Bottleneck,
    ModifiedResNet,
    TransformerBlock,
    VisionTransformer,
    drop_patches,
    quick_gelu,
    read_one,
    take,
)


def test_attention_pooling_is_one_query_of_multi_head_attention() -> None:
    torch.manual_seed(0)
    pool = AttentionPool(positions=4, width=16, heads=2, embed_dim=6).double()
    grid = torch.randn(3, 4, 16, dtype=torch.double)
    tokens = (torch.cat([grid.mean(1, keepdim=True), grid], 1) + pool.positions).transpose(0, 1)
    expected, _ = F.multi_head_attention_forward(
        query=tokens[:1],
        key=tokens,
        value=tokens,
        embed_dim_to_check=16,
        num_heads=2,
        in_proj_weight=None,
        in_proj_bias=torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]),
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=pool.out_proj.weight,
        out_proj_bias=pool.out_proj.bias,
        use_separate_proj_weight=True,
        q_proj_weight=pool.q_proj.weight,
        k_proj_weight=pool.k_proj.weight,
        v_proj_weight=pool.v_proj.weight,
        need_weights=False,
    )
    assert torch.allclose(pool(grid), expected[0], atol=1e-12)


def test_a_resnet_of_four_stages_has_one_token_per_32_pixels() -> None:
    tower = ModifiedResNet(ImageTowerConfig(size=64, layers=(1, 2, 1, 1), width=16, heads=8), embed_dim=10)
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    assert tower.grid(images).shape == (2, 4, 16 * 32)
    assert tower.grid_width == 16 * 32
    assert tower(images).shape == (2, 10)


def test_a_fresh_bottleneck_is_its_shortcut() -> None:
    block = Bottleneck(8, 2, stride=1).eval()
    x = torch.randn(2, 8, 4, 4)
    assert torch.allclose(block(x), F.relu(x))


def test_strides_are_average_poolings() -> None:
    block = Bottleneck(4, 2, stride=2)
    assert all(layer.stride == (1, 1) for layer in block.modules() if isinstance(layer, torch.nn.Conv2d))
    assert block(torch.randn(2, 4, 8, 8)).shape == (2, 8, 4, 4)


def test_a_vision_transformers_grid_leaves_the_class_token_out() -> None:
    config = ImageTowerConfig(size=32, layers=1, width=16, heads=2, patch=8)
    tower = VisionTransformer(config, embed_dim=5, activation=quick_gelu)
    images = torch.randn(2, 3, 32, 32)
    assert tower.tokens(images).shape == (2, 17, 16)
    assert tower.grid(images).shape == (2, 16, 16)
    assert tower(images).shape == (2, 5)


def test_patch_dropout_keeps_different_patches_and_only_while_training() -> None:
    torch.manual_seed(0)
    patches = torch.arange(10.0).view(1, 10, 1).expand(4, 10, 3)
    kept = drop_patches(patches, 0.7)
    assert kept.shape == (4, 3, 3)
    assert all(len(set(row[:, 0].tolist())) == 3 for row in kept)
    assert len({tuple(row[:, 0].tolist()) for row in kept}) > 1
    assert drop_patches(patches, 0.99).shape == (4, 1, 3)
    config = ImageTowerConfig(size=32, layers=1, width=16, heads=2, patch=8, patch_dropout=0.5)
    tower = VisionTransformer(config, embed_dim=5, activation=quick_gelu)
    assert tower.tokens(torch.randn(1, 3, 32, 32)).shape[1] == 9
    assert tower.eval().tokens(torch.randn(1, 3, 32, 32)).shape[1] == 17


def test_impossible_shapes_are_refused() -> None:
    with pytest.raises(ConfigError, match="not a multiple of the patch"):
        ImageTowerConfig(size=33, patch=8)
    with pytest.raises(ConfigError, match="patch_dropout"):
        ImageTowerConfig(patch_dropout=1.0)


def test_a_list_of_layers_is_a_resnet_and_a_number_a_transformer() -> None:
    assert tables.build(ImageTowerConfig, {"layers": [1, 1]}).is_resnet
    assert not ImageTowerConfig(layers=12).is_resnet


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
