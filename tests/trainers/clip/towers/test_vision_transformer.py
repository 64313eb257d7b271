"""The vision transformer: shapes and patch dropout."""

import torch

from corpusloom.trainers.clip.config import ImageTowerConfig
from corpusloom.trainers.clip.towers.blocks import quick_gelu
from corpusloom.trainers.clip.towers.vision_transformer import VisionTransformer, drop_patches


def test_a_vision_transformers_grid_leaves_the_class_token_out() -> None:
    config = ImageTowerConfig(size=32, layers=1, width=16, heads=2, patch=8)
    tower = VisionTransformer(config, embed_dim=5, activation=quick_gelu)
    images = torch.randn(2, 3, 32, 32)
    assert tower.tokens(images).shape == (2, 17, 16)
    assert tower.grid(images).shape == (2, 16, 16)
    assert tower(images).shape == (2, 5)


def test_a_tower_reads_images_of_another_size_with_interpolated_positions() -> None:
    for pool, tokens in (("class", 37), ("map", 36)):
        config = ImageTowerConfig(size=32, layers=1, width=16, heads=2, patch=8, pool=pool)
        tower = VisionTransformer(config, embed_dim=16, activation=quick_gelu)
        first = tower.positions[0].clone()
        tower.set_size(48)
        assert tower.tokens(torch.randn(2, 3, 48, 48)).shape == (2, tokens, 16)
        assert tower(torch.randn(2, 3, 48, 48)).shape == (2, 16)
        assert torch.equal(tower.positions[0], first) == (pool == "class")


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
