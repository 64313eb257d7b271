"""Scores of a plugged-in model: one an image, whatever its neighbours; unknown models are the user's mistake."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from corpusloom.pipelines.stages.fetch.scores import BATCH, SIDE, load_scorer, score_images
from corpusloom.schemas.errors import ConfigError


def red_share(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    assert pixels.shape == (BATCH, SIDE, SIDE, 3)
    return (pixels[..., 0].mean((1, 2)) / 255).astype(np.float32)


def picture(red: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), (red, 0, 0)).save(out, "PNG")
    return out.getvalue()


def test_each_image_has_its_own_score_and_what_does_not_decode_none() -> None:
    images = [picture(0), b"no image", *[picture(255)] * BATCH, picture(51)]
    scores = score_images(images, red_share)
    assert scores == [0.0, None, *[1.0] * BATCH, 0.2]
    assert [score_images([data], red_share)[0] for data in images] == scores


def test_an_unknown_scorer_is_a_mistake_that_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="open_nsfw"):
        load_scorer("nothing")
