"""SigLIP's sigmoid loss (arXiv 2303.15343, Algorithm 1), in blocks, with texts passed between ranks (section 3.3).

Shapes: B pairs of this rank, N pairs of all data ranks, E embedding. A logit z_ij = t x_i y_j + b has the loss
log(1 + exp(-z)) if i and j are a pair, else log(1 + exp(z)). A rank computes the rows of its own images: it
receives the texts of one rank at a time, adds to their gradients, and sends both on. Logits are float32 or better.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.clip.losses.ring import pass_on
from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.numerics import at_least_float32, full_precision

LOGITS_PER_BLOCK = 1 << 22
"""Largest number of logits at a time, unless one row has more."""


def sigmoid_loss(image: Tensor, text: Tensor, logit_scale: Tensor, logit_bias: Tensor) -> Tensor:
    """Return the sum of the binary losses of own images with the texts of all ranks: (B, E), (B, E), [1], [1] -> ().

    Divided by N and summed over ranks it is the loss of the global batch. Its gradient must be the same on every rank,
    as that of a sum over ranks is: a rank computes the gradients of the others' texts, too.
    """
    scale, bias = at_least_float32(logit_scale).exp(), at_least_float32(logit_bias)
    with full_precision(image.device):
        return _SigmoidLoss.apply(image, text, scale, bias)


class _SigmoidLoss(torch.autograd.Function):
    """The loss; its gradients are computed with it, so that no logit is kept or computed twice."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        rows, rank = collectives.row_counts(len(image)), distributed.data_rank()
        sums = _Sums(image, scale, bias)
        held, gradient = text, torch.zeros_like(text)
        for step in range(len(rows)):
            sums.add(held, gradient, paired=step == 0)
            before = rows[(rank - step - 1) % len(rows)]  # the owner of the texts that the previous rank holds
            if step < len(rows) - 1:
                held = pass_on(held, before)
            gradient = pass_on(gradient, before)
        ctx.save_for_backward(sums.image_gradient, gradient, sums.scale_gradient, sums.bias_gradient)
        return sums.loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        return tuple(grads[0] * gradient for gradient in ctx.saved_tensors)


class _Sums:
    """The loss of own images with the texts that were added, and its gradients."""

    def __init__(self, image: Tensor, scale: Tensor, bias: Tensor) -> None:
        self.image, self.scale, self.bias = image, scale, bias
        self.loss = scale.new_zeros(())
        self.image_gradient = torch.zeros_like(image)
        self.scale_gradient, self.bias_gradient = torch.zeros_like(scale), torch.zeros_like(bias)

    def add(self, text: Tensor, text_gradient: Tensor, *, paired: bool) -> None:
        """Add the losses with texts, (M, E), and the gradients of these; `paired`: text i belongs to image i."""
        rows = max(1, LOGITS_PER_BLOCK // max(1, len(text)))
        for start in range(0, len(self.image), rows):
            image = self.image[start : start + rows]
            logits = self.scale * image @ text.T + self.bias
            if paired:
                logits.diagonal(start).neg_()
            self.loss -= F.logsigmoid(-logits).sum()
            slopes = logits.sigmoid_()
            if paired:
                slopes.diagonal(start).neg_()
            mixed = slopes @ text
            self.image_gradient[start : start + rows] += self.scale * mixed
            text_gradient += self.scale * (slopes.T @ image)
            self.scale_gradient += (mixed * image).sum()
            self.bias_gradient += slopes.sum()
