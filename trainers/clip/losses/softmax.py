"""CLIP's symmetric contrastive loss (arXiv 2103.00020, Figure 3).

Shapes: B pairs of this rank, N pairs of all data ranks, E embedding. Each rank computes its own rows against the
embeddings of all ranks; the sum over ranks is the loss of the global batch. Logits are float32 or better.
"""

import torch
from torch import Tensor

from corpusloom.trainers.clip.losses.pair_logits import cross_entropy_of_pairs
from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.numerics import at_least_float32, full_precision


def contrastive_loss(image: Tensor, text: Tensor, logit_scale: Tensor) -> Tensor:
    """Return the sum over own pairs of the mean cross entropy of image to text and text to image.

    (B, E), (B, E), [1] log scale -> (). Divided by N and summed over ranks it is the loss of the global batch.
    """
    rows = collectives.row_counts(len(image))
    images, texts = collectives.all_gather(image, rows), collectives.all_gather(text, rows)
    labels = sum(rows[: distributed.data_rank()]) + torch.arange(len(image), device=image.device)
    scale = at_least_float32(logit_scale).exp()
    with full_precision(image.device):
        by_image = cross_entropy_of_pairs(image, texts, scale, labels)
        by_text = cross_entropy_of_pairs(text, images, scale, labels)
    return (by_image + by_text) / 2
