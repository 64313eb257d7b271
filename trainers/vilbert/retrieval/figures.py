"""R@k of a matrix of scores: each caption has one image, or images have several captions."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from corpusloom.trainers.clip.zero_shot.retrieval.figures import both_directions
from corpusloom.trainers.evaluation.figures import rank_of, recalls

KS = (1, 5, 10)
ROWS = 512
"""Queries whose ranks are counted together."""


def retrieval(scores: Tensor, ks: Sequence[int] = KS) -> Iterator[tuple[str, float]]:
    """Yield R@k of captions, (M, N) where image i belongs to caption i, chance (that of R@1) and n."""
    yield from recalls("r", scores, torch.eye(len(scores), dtype=torch.bool, device=scores.device), ks)
    yield "chance", 1 / scores.shape[1]
    yield "n", float(len(scores))


def captioned_retrieval(scores: Tensor, image_of: Tensor) -> Iterator[tuple[str, float]]:
    """Yield R@k of images by caption and of captions by image: (M, N), the image of each caption (M,)."""
    numbers = torch.arange(scores.shape[1])
    by_caption = _ranks(scores, image_of[:, None], numbers[None])
    by_image = _ranks(scores.T, numbers[:, None], image_of[None])
    yield from both_directions(by_caption, by_image, image_of)


def _ranks(scores: Tensor, own: Tensor, candidates: Tensor) -> Tensor:
    """Return how many wrong candidates each query has before its best right one: (Q, K), (Q, 1), (1, K) -> (Q,).

    A candidate is right if its number is the query's own.
    """
    parts = zip(scores.split(ROWS), own.split(ROWS), strict=True)
    return torch.cat([rank_of(part, rows == candidates) for part, rows in parts])
