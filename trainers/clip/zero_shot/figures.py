"""Figures of zero-shot classification, in blocks of rows so that no matrix of all images and classes is kept.

Shapes: N images, C classes, E embedding.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.evaluation.figures import mean, mean_of_groups, rank_of, share

ROWS = 1024


class Ranking(NamedTuple):
    """The best classes of each image, and the place of its own."""

    best: Tensor
    """(N, min(5, C)) int: classes of highest similarity, the best first."""
    probabilities: Tensor
    """(N, min(5, C)): their softmax over all classes."""
    ranks: Tensor | None
    """(N,) int: wrong classes that are at least as similar as the own one; None without labels."""


def rank_classes(images: Tensor, classes: Tensor, labels: Tensor | None, scale: float = 100.0) -> Ranking:
    """Rank classes by cosine: (N, E), (C, E), (N,) int; `scale` multiplies the cosines before the softmax."""
    blocks = images.split(ROWS)
    own = [None] * len(blocks) if labels is None else labels.split(ROWS)
    return _joined(
        [rank_scores(block.float() @ classes.float().T, part, scale) for block, part in zip(blocks, own, strict=True)]
    )


def rank_scores(scores: Tensor, labels: Tensor | None, scale: float = 1.0) -> Ranking:
    """Rank classes by score, (N, C), (N,) int; `scale` multiplies the scores before the softmax."""
    top = (scale * scores).softmax(1).topk(min(5, scores.shape[1]))
    ranks = None if labels is None else rank_of(scores, F.one_hot(labels, scores.shape[1]).bool())
    return Ranking(top.indices, top.values, ranks)


def _joined(parts: list[Ranking]) -> Ranking:
    ranks = [part.ranks for part in parts if part.ranks is not None]
    best, shares = (torch.cat([part[place] for part in parts]) for place in (0, 1))  # type: ignore[misc]
    return Ranking(best, shares, torch.cat(ranks) if ranks else None)


def precision_figures(scores: Tensor, labels: Tensor) -> Iterator[tuple[str, float]]:
    """Yield the mean average precision over the classes that an image has, (N, C), (N, C) of 0 or 1, and n.

    By chance it is the mean share of the images that have a class. Images without a class that score as high as those
    with it rank first.
    """
    order = torch.argsort(labels, dim=0, stable=True)  # images without the class first, so that they win ties
    scores, labels = scores.gather(0, order), labels.gather(0, order)
    ranked = labels.gather(0, scores.argsort(stable=True, dim=0, descending=True)).double()
    precision = ranked.cumsum(0) / torch.arange(1, len(ranked) + 1, device=ranked.device)[:, None]
    counts = ranked.sum(0)
    found = counts > 0
    averages = (precision * ranked).sum(0)[found] / counts[found]
    yield from mean("mean_average_precision", averages, float((counts[found] / len(labels)).mean()))
    yield "n", float(len(labels))


def classification_figures(ranks: Tensor, labels: Tensor, classes: int) -> Iterator[tuple[str, float]]:
    """Yield top1, top5 if there are five classes, mean recall per class, chance (that of top1) and n.

    (N,) int ranks of the own classes, (N,) int -> figures.
    """
    yield from share("top1", ranks < 1, 1 / classes)
    if classes >= 5:
        yield from share("top5", ranks < 5, 5 / classes)
    yield from mean_of_groups("mean_class_recall", ranks < 1, labels, 1 / classes)
    yield "chance", 1 / classes
    yield "n", float(len(labels))
