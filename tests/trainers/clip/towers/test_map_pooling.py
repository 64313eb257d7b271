"""Attention pooling; test_model compares it with transformers'."""

import torch

from corpusloom.trainers.clip.config import ImageTowerConfig
from corpusloom.trainers.clip.towers.blocks import ACTIVATION_OF
from corpusloom.trainers.clip.towers.map_pooling import MapPooling
from corpusloom.trainers.clip.towers.vision_transformer import VisionTransformer


def test_the_order_of_patches_does_not_matter_and_each_of_them_does() -> None:
    torch.manual_seed(0)
    pool = MapPooling(8, 2, 12, activation=ACTIVATION_OF["gelu_tanh"], eps=1e-6).double()
    patches = torch.randn(3, 5, 8, dtype=torch.double)
    pooled = pool(patches)
    assert pooled.shape == (3, 8)
    torch.testing.assert_close(pool(patches.flip(1)), pooled)
    assert not torch.allclose(pool(patches[:, 1:]), pooled)


def test_a_pooled_tower_has_a_state_per_patch_and_sees_whole_patches_only() -> None:
    config = ImageTowerConfig(size=19, layers=1, width=16, heads=2, patch=8, pool="map")
    tower = VisionTransformer(config, 16, ACTIVATION_OF["gelu_tanh"]).eval()
    images = torch.randn(2, 3, 19, 19)
    assert tower.grid(images).shape == (2, 4, 16)
    cut = images.clone()
    cut[:, :, 16:] = cut[:, :, :, 16:] = 0
    with torch.no_grad():
        assert torch.equal(tower(images), tower(cut))
    assert tower.block_names() == ["blocks.0", "pool"]
    assert all(tower.get_submodule(name) is not None for name in tower.block_names())
