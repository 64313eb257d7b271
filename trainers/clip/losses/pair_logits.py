"""The cross entropy of one side's embeddings with the other's, in blocks of rows: no rank holds all of its logits.

The gradient is computed with the loss, block by block, so that a block of logits is dropped before the next one is
made (as Liger Kernel fuses a linear layer with its cross entropy, arXiv 2410.10989, section 3.2).

Shapes: B rows of this rank, N columns of all ranks, E embedding, K rows of a block.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LOGITS_PER_BLOCK = 1 << 21
"""Largest number of logits at a time, unless one row has more."""


def block_rows(columns: Tensor) -> int:
    """Return the rows of a block for (N, E) columns."""
    return max(1, LOGITS_PER_BLOCK // max(1, len(columns)))


class _CrossEntropy(torch.autograd.Function):
    """Sum over rows of -log softmax(scale * rows @ columns.T)[label]; its gradient is kept instead of the logits."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, columns: Tensor, scale: Tensor, labels: Tensor) -> Tensor:
        loss = rows.new_zeros(())
        row_grads, column_grads = torch.empty_like(rows), torch.zeros_like(columns)
        size = block_rows(columns)
        for start in range(0, len(rows), size):
            block, own = rows[start : start + size], labels[start : start + size, None]
            logits = (scale * block) @ columns.T
            highest = logits.amax(1, keepdim=True)
            at_label = logits.gather(1, own)
            shares = logits.sub_(highest).exp_()
            sums = shares.sum(1, keepdim=True)
            loss += (sums.log() + highest - at_label).sum()
            errors = shares.div_(sums).scatter_add_(1, own, torch.full_like(at_label, -1.0))
            torch.mm(errors, columns, out=row_grads[start : start + size])
            column_grads.addmm_(errors.T, block)
        ctx.save_for_backward(scale * row_grads, scale * column_grads, (row_grads * rows).sum().view_as(scale))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        by_rows, by_columns, by_scale = ctx.saved_tensors
        (factor,) = grads
        return factor * by_rows, factor * by_columns, factor * by_scale, None


def cross_entropy_of_pairs(rows: Tensor, columns: Tensor, scale: Tensor, labels: Tensor) -> Tensor:
    """Return the sum of the rows' cross entropies: (B, E), (N, E), [1], (B,) the column of each row's pair -> ().

    Memory is that of `LOGITS_PER_BLOCK` logits and of the gradients, (B + N) E, whatever B and N.
    """
    loss: Tensor = _CrossEntropy.apply(rows, columns, scale, labels)
    return loss


def nearest(rows: Tensor, columns: Tensor) -> Tensor:
    """Return the column with the largest product with each row: (B, E), (N, E) with N > 0 -> (B,) int."""
    return torch.cat([(block @ columns.T).argmax(1) for block in rows.split(block_rows(columns))])
