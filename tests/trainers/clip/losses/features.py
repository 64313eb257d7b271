"""Random embeddings for tests of losses."""

import torch
from torch import Tensor
from torch.nn import functional as F

B = 6


def features(rows: int = B, width: int = 8) -> tuple[Tensor, Tensor]:
    """Return the embeddings of images and of texts, (rows, width) of norm 1."""
    generator = torch.Generator().manual_seed(5)
    image, text = (F.normalize(torch.randn(rows, width, generator=generator), dim=-1) for _ in range(2))
    return image, text
