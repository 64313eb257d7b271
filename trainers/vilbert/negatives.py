"""The choice of wrong captions for the images of a batch (arXiv 1908.02265, section 2.2).

Shapes: N rows of all data ranks, T tokens, k negatives. Each row has three draws in 0..1 that come from its sample, so
a choice does not depend on how the rows are ordered or divided among ranks.
"""

import torch
from torch import Tensor


def mismatch(texts: Tensor, draws: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return per row the row whose caption it gets, and 0 (aligned) or 1 (mismatched): (N, T), (N, 3) -> (N,), (N,).

    A row gets another caption if its first draw is below `share`, unless the other image's caption has the same text.
    """
    rows = torch.arange(len(texts), device=texts.device)
    others, wrong = other_rows(texts, draws, 1)
    if not others.shape[1]:
        return rows, torch.zeros_like(rows)
    replaced = (draws[:, 0] < share) & wrong[:, 0]
    return torch.where(replaced, others[:, 0], rows), replaced.long()


def other_rows(texts: Tensor, draws: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return per row other rows, and whether their captions have another text: (N, T), (N, 3) -> (N, k), (N, k) bool.

    k is `count`, or N - 1 if that is less. The rows are ordered by their third draw; the second draw says at which
    distance in that order the first of k consecutive rows stands.
    """
    rows = torch.arange(len(texts), device=texts.device)
    rest = len(texts) - 1
    order = draws[:, 2].argsort(stable=True)
    place = torch.empty_like(order).scatter_(0, order, rows)
    first = (draws[:, 1] * rest).long().clamp(max=max(rest - 1, 0))
    steps = torch.arange(max(min(count, rest), 0), device=texts.device)
    shift = 1 + (first[:, None] + steps) % max(rest, 1)
    others = order[(place[:, None] + shift) % max(len(texts), 1)] if len(steps) else shift
    return others, (texts[:, None] != texts[others]).any(2)
