"""The retrievals that a page shows: for some captions the images that the model ranks first.

Shapes: M captions, N images.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from corpusloom.trainers.evaluation.figures import rank_of

BEST = 5
"""Images that are shown of each ranking."""


@dataclass(frozen=True, slots=True)
class CaptionRanking:
    """The images that one caption ranks first."""

    caption: int
    """Number of the caption."""
    own: int
    """Number of its image."""
    rank: int
    """Rank of its image, from 1; images with an equal score stand before it."""
    share: float
    """Its image's probability of being aligned with the caption."""
    best: tuple[tuple[int, float], ...]
    """Number and probability of the first images, the most probable first."""

    @property
    def right(self) -> bool:
        """Whether its own image is the first."""
        return self.rank == 1


def choose_rankings(scores: Tensor, image_of: Tensor, most: int) -> tuple[list[CaptionRanking], list[CaptionRanking]]:
    """Return up to `most` right and `most` wrong retrievals, spread evenly over the captions: (M, N), (M,).

    Scores are log odds that a pair is aligned.
    """
    scores = scores.float().cpu()
    own = torch.arange(scores.shape[1])[None] == image_of.cpu()[:, None]
    ranks = rank_of(scores, own) + 1
    right, wrong = ((ranks == 1).nonzero()[:, 0], (ranks > 1).nonzero()[:, 0])
    return tuple(
        [_ranking(scores[number], int(image_of[number]), int(ranks[number]), number) for number in spread(kind, most)]
        for kind in (right.tolist(), wrong.tolist())
    )  # type: ignore[return-value]


def spread(numbers: list[int], most: int) -> list[int]:
    """Return up to `most` numbers, spread evenly over all."""
    if not numbers:
        return []
    return [numbers[place] for place in np.linspace(0, len(numbers) - 1, min(most, len(numbers))).round().astype(int)]


def _ranking(scores: Tensor, own: int, rank: int, caption: int) -> CaptionRanking:
    """Return one ranking; among images with an equal score the caption's own one is the last, as in its rank."""
    order = sorted(range(len(scores)), key=lambda image: (-float(scores[image]), image == own, image))
    shares = scores.sigmoid().tolist()
    return CaptionRanking(caption, own, rank, shares[own], tuple((image, shares[image]) for image in order[:BEST]))
