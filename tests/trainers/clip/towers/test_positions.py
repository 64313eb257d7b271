"""Positions of patches at another size of images."""

import torch
from torch import nn

from corpusloom.trainers.clip.towers.positions import resize_positions, resized


def test_positions_of_a_siglip_are_all_interpolated() -> None:
    grid = torch.arange(4.0)[:, None].expand(4, 3)
    larger = resize_positions(grid, 16, fixed=0)
    assert larger.shape == (16, 3)
    torch.testing.assert_close(larger[:, 0].mean(), grid.mean())


def test_positions_are_interpolated_but_for_the_first() -> None:
    positions = torch.randn(5, 3)
    larger = resize_positions(positions, 17)
    assert larger.shape == (17, 3)
    assert torch.equal(larger[0], positions[0])
    assert torch.equal(resize_positions(positions, 5), positions)
    flat = resize_positions(torch.cat([positions[:1], positions[1:2].expand(4, 3)]), 10)
    torch.testing.assert_close(flat[1:], positions[1:2].expand(9, 3))


def test_the_parameter_of_another_grid_is_frozen_as_the_first_is() -> None:
    positions = nn.Parameter(torch.randn(5, 3), requires_grad=False)
    larger = resized(positions, 3)
    assert larger.shape == (10, 3)
    assert not larger.requires_grad
    assert resized(positions.requires_grad_(True), 3).requires_grad
