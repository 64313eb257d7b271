"""Scores of images by a model: the Protocol of a scorer, and fixed-shape batches that make its scores reproducible.

Every batch has the same shape (the last is padded with zeros) and a scorer computes in one thread, so the score of an
image does not depend on the images beside it.
"""

import math
from collections.abc import Iterable
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from corpusloom.pipelines.models.identity import ModelIdentity
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.errors import ImageError

BATCH = 16
"""Images per call of a scorer."""
SIDE = 256
"""Width and height of the images that a scorer receives, in pixels."""


class ImageScorer(Protocol):
    """A model that scores a batch of images."""

    @property
    def identity(self) -> ModelIdentity:
        """The identity of the model; the store refuses to mix scores of two identities."""

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return one score from 0 to 1 per image: uint8 RGB (BATCH, SIDE, SIDE, 3) -> (BATCH,)."""


def shrink(data: bytes) -> NDArray[np.uint8] | None:
    """Return an image stretched to SIDE x SIDE pixels, or None if it cannot be decoded."""
    try:
        rgb = decode_rgb(data, min_side_at_least=SIDE)
    except ImageError:
        return None
    return cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.uint8)


def score_images(images: Iterable[bytes], scorer: ImageScorer) -> list[float | None]:
    """Return the score of each image, rounded to four decimals.

    None for an image that cannot be decoded, and where the scorer returns no finite number.
    """
    pixels = [shrink(data) for data in images]
    found = [(place, image) for place, image in enumerate(pixels) if image is not None]
    scores: list[float | None] = [None] * len(pixels)
    for start in range(0, len(found), BATCH):
        chosen = found[start : start + BATCH]
        batch = np.zeros((BATCH, SIDE, SIDE, 3), np.uint8)
        for row, (_, image) in enumerate(chosen):
            batch[row] = image
        for (place, _), score in zip(chosen, scorer(batch), strict=False):
            scores[place] = round(float(score), 4) if math.isfinite(score) else None
    return scores
