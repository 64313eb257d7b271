"""Normalisation of pixels with CLIP's mean and deviation."""

import torch
from torch import Tensor, nn

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""Mean and standard deviation of RGB in 0..1, over CLIP's own training images."""


class Normalise(nn.Module):
    """Normalisation of uint8 RGB with CLIP's mean and deviation; floats pass unchanged."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 or float -> (B, 3, H, W) float."""
        return (images.float() - self.mean) / self.std if images.dtype == torch.uint8 else images
