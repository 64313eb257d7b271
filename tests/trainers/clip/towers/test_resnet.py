"""The ResNet: shapes, strides, attention pooling against PyTorch's own attention."""

import torch
from torch.nn import functional as F

from corpusloom.trainers.clip.config import ImageTowerConfig
from corpusloom.trainers.clip.towers.resnet import AttentionPool, Bottleneck, ModifiedResNet


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


def test_the_pooling_reads_the_grid_of_a_larger_image() -> None:
    config = ImageTowerConfig(size=64, layers=(1, 1, 1, 1), width=8, heads=4)
    tower = ModifiedResNet(config, embed_dim=6).eval()
    tower.set_size(96)
    assert tower(torch.randn(1, 3, 96, 96)).shape == (1, 6)
    assert tower.pool.positions.shape == (10, 256)
