"""Figures of zero-shot classification, in blocks of rows so that no matrix of all images and classes is kept.

Shapes: N images, C classes, E embedding.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.evaluation.figures import mean_of_groups, rank_of, share

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
    best, probabilities, ranks = [], [], []
    most = min(5, len(classes))
    for number, block in enumerate(images.split(ROWS)):
        scores = block.float() @ classes.float().T
        top = (scale * scores).softmax(1).topk(most)
        best.append(top.indices)
        probabilities.append(top.values)
        if labels is not None:
            own = F.one_hot(labels[number * ROWS :][: len(block)], len(classes)).bool()
            ranks.append(rank_of(scores, own))
    return Ranking(torch.cat(best), torch.cat(probabilities), torch.cat(ranks) if ranks else None)


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
