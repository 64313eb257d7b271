"""Figures of scores: ROC AUC, average precision, mean rank and NDCG. Ties are the mean over their orders, or worst."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from corpusloom.trainers.evaluation.figures import Z, around


def roc_auc(name: str, scores: Tensor, positive: Tensor) -> Iterator[tuple[str, float]]:
    """Yield the share of pairs of a positive and a negative that scores, (Q,), rank rightly; ties count half.

    `positive` is (Q,) bool; the value is NaN if one kind is missing. The interval is that of Hanley and McNeil (1982).
    """
    right, wrong = int(positive.sum()), int((~positive).sum())
    area = _area(scores.double(), positive) if right and wrong else math.nan
    one, two = area / (2 - area), 2 * area * area / (1 + area)
    spread = area * (1 - area) + (right - 1) * (one - area * area) + (wrong - 1) * (two - area * area)
    half = Z * math.sqrt(max(0.0, spread) / (right * wrong)) if right and wrong else math.nan
    yield name, area
    yield from around(name, max(0.0, area - half), min(1.0, area + half), len(scores), 0.5)


def _area(scores: Tensor, positive: Tensor) -> float:
    """Return the Mann-Whitney statistic divided by the number of pairs, by mean ranks."""
    _, inverse, counts = scores.unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    ranks = (ends - (counts - 1) / 2)[inverse]  # the mean rank of equal scores, from 1
    right, wrong = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - right * (right + 1) / 2) / (right * wrong))


def average_precision(scores: Tensor, positive: Tensor, weight: Tensor) -> float:
    """Return the weighted average precision of scores (Q,), (Q,) bool, (Q,): the sum of precision times recall gained.

    Equal scores count as one step.
    """
    values, inverse = scores.double().unique(return_inverse=True)
    zeros = torch.zeros(len(values), dtype=torch.float64)
    hits = zeros.scatter_add(0, inverse, weight.double() * positive).flip(0)
    found = zeros.scatter_add(0, inverse, weight.double()).flip(0)
    precision = hits.cumsum(0) / found.cumsum(0)
    return float((precision * hits).sum() / hits.sum())


def ranks_of_own(scores: Tensor, own: Tensor) -> Tensor:
    """Return the rank, from 1, of the right candidate among (Q, C); wrong ones of equal score rank first: (Q,)."""
    return (scores >= scores.gather(1, own[:, None])).sum(1)


def ndcg(scores: Tensor, gains: Tensor) -> Tensor:
    """Return the NDCG of (Q, C) candidates with gains (Q, C) from 0 to 1, as in VisDial's challenge: (Q,).

    It is cut off at the number of candidates with a gain; of equal scores the smaller gain ranks first.
    """
    order = gains.argsort(dim=1, stable=True)
    worst = scores.gather(1, order).argsort(dim=1, descending=True, stable=True)
    ranked = gains.gather(1, order).gather(1, worst).double()
    best = gains.double().sort(1, descending=True).values
    places = torch.arange(gains.shape[1])
    discount = (places[None] < (gains > 0).sum(1, keepdim=True)) / torch.log2(places + 2.0).double()
    return (ranked * discount).sum(1) / (best * discount).sum(1)
