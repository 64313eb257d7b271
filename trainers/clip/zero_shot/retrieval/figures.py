"""R@k of retrieval in both directions, in blocks of queries.

Shapes: N images, M texts, E embedding.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from corpusloom.trainers.evaluation.figures import rank_of, recalls_of_ranks

ROWS = 512


def retrieval(
    images: Tensor, texts: Tensor, image_of: Tensor, ks: Sequence[int] = (1, 5, 10)
) -> Iterator[tuple[str, float]]:
    """Yield R@k in both directions, chance (that of R@1 of images) and n: (N, E), (M, E), the image of each text (M,).

    An image is a hit when any of its texts is among the first k, a text when its one image is. Wrong candidates of
    equal similarity rank first.
    """
    blocks = zip(texts.split(ROWS), image_of.split(ROWS), strict=True)
    by_text = torch.cat([_image_ranks(*block, images) for block in blocks])
    numbers = torch.arange(len(images), device=images.device)
    by_image = torch.cat(
        [
            rank_of(block @ texts.T, image_of[None] == places[:, None])
            for block, places in zip(images.split(ROWS), numbers.split(ROWS), strict=True)
        ]
    )
    yield from both_directions(by_text, by_image, image_of, ks)


def both_directions(
    by_text: Tensor, by_image: Tensor, image_of: Tensor, ks: Sequence[int] = (1, 5, 10)
) -> Iterator[tuple[str, float]]:
    """Yield the figures of `retrieval`, given the ranks of the right images per text, (M,), and texts per image, (N,).

    `image_of` is the image of each text, (M,).
    """
    images, texts = len(by_image), len(by_text)
    yield from recalls_of_ranks("image_retrieval_r", by_text, torch.ones_like(by_text), images, ks)
    yield from recalls_of_ranks("text_retrieval_r", by_image, image_of.bincount(minlength=images), texts, ks)
    yield "chance", 1 / images
    yield "n", float(texts)
    yield "images", float(images)


def _image_ranks(texts: Tensor, image_of: Tensor, images: Tensor) -> Tensor:
    """Return how many wrong images are at least as similar to each text as its own."""
    scores = texts @ images.T
    return (scores >= scores.gather(1, image_of[:, None])).sum(1) - 1
