"""Normalisation of pixels."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Normalise(nn.Module):
    """Normalisation of uint8 RGB by mean and standard deviation of RGB in 0..1; floats pass unchanged."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 or float -> (B, 3, H, W) float."""
        return (images.float() - self.mean) / self.std if images.dtype == torch.uint8 else images
