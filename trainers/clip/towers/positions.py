"""Positions of an image's patches, interpolated to images of another size."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def resize_positions(positions: Tensor, tokens: int, fixed: int = 1) -> Tensor:
    """Return the positions of an image, (fixed + S, D), interpolated to (`tokens`, D); the first `fixed` stay.

    The interpolation is bicubic with antialiasing.
    """
    if len(positions) == tokens:
        return positions
    old, new = math.isqrt(len(positions) - fixed), math.isqrt(tokens - fixed)
    grid = positions[fixed:].float().unflatten(0, (old, old)).permute(2, 0, 1)[None]
    grid = F.interpolate(grid, size=(new, new), mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([positions[:fixed].float(), grid[0].permute(1, 2, 0).flatten(0, 1)]).to(positions.dtype)


def resized(positions: nn.Parameter, side: int, fixed: int = 1) -> nn.Parameter:
    """Return the parameter of an image's positions for a grid of `side` by `side` patches, as in `resize_positions`."""
    weight = resize_positions(positions.detach(), side**2 + fixed, fixed)
    return nn.Parameter(weight, requires_grad=positions.requires_grad)
