"""SigLIP's sigmoid loss (arXiv 2303.15343, Algorithm 1).

Shapes: B pairs of this rank, N pairs of all data ranks, E embedding. Logits are float32 or better.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.numerics import at_least_float32, full_precision


def sigmoid_loss(image: Tensor, text: Tensor, logit_scale: Tensor, logit_bias: Tensor) -> Tensor:
    """Return the sum of the binary losses of own images with all texts: (B, E), (B, E), [1], [1] -> ()."""
    rows = collectives.row_counts(len(image))
    texts = collectives.all_gather(text, rows)
    with full_precision(image.device):
        logits = at_least_float32(logit_scale).exp() * image @ texts.T + at_least_float32(logit_bias)
    own = sum(rows[: distributed.data_rank()]) + torch.arange(len(image), device=image.device)
    signs = torch.full_like(logits, -1.0).scatter_(1, own[:, None], 1.0)
    return -F.logsigmoid(signs * logits).sum()
