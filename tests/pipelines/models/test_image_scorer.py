"""Scores by a model: one per image, whatever the images beside it; None for bytes that cannot be decoded."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from corpusloom.pipelines.models.identity import ModelIdentity
from corpusloom.pipelines.models.image_scorer import BATCH, SIDE, score_images, shrink


class RedShare:
    """A scorer that returns the mean of the red channel."""

    identity = ModelIdentity("red", "1", "0" * 64)

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.shapes.append(pixels.shape)
        return (pixels[..., 0].mean((1, 2)) / 255).astype(np.float32)


def picture(red: int, width: int = 40, height: int = 30) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (red, 0, 0)).save(out, "PNG")
    return out.getvalue()


def test_each_image_has_its_own_score_and_bytes_that_cannot_be_decoded_have_none() -> None:
    images = [picture(0), b"no image", *[picture(255)] * BATCH, picture(51)]
    scorer = RedShare()
    scores = score_images(images, scorer)
    assert scores == [0.0, None, *[1.0] * BATCH, 0.2]
    assert [score_images([data], scorer)[0] for data in images] == scores


def test_batches_have_one_shape_and_are_as_few_as_possible() -> None:
    for count, batches in ((0, 0), (1, 1), (BATCH, 1), (BATCH + 1, 2)):
        scorer = RedShare()
        score_images([picture(9)] * count, scorer)
        assert scorer.shapes == [(BATCH, SIDE, SIDE, 3)] * batches


def test_scores_are_rounded_to_four_decimals() -> None:
    assert score_images([picture(1)], RedShare()) == [round(1 / 255, 4)]


def test_a_score_that_is_no_finite_number_is_none() -> None:
    class Broken(RedShare):
        def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            values = np.full(BATCH, 0.5, np.float32)
            values[:2] = np.nan, np.inf
            return values

    assert score_images([picture(1)] * 3, Broken()) == [None, None, 0.5]


def test_images_are_stretched_to_a_square() -> None:
    pixels = shrink(picture(7, 500, 20))
    assert pixels is not None
    assert (pixels.shape, pixels.dtype, int(pixels[0, 0, 0])) == ((SIDE, SIDE, 3), np.uint8, 7)
    assert shrink(b"no image") is None
