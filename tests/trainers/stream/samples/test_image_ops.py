"""Resizing without aliasing, crops inside the image."""

import cv2
import numpy as np
import pytest
from PIL import Image

from corpusloom.trainers.stream.samples import image_ops


def detailed(width: int, height: int) -> np.ndarray:
    """Return an image of shapes, lines and grain of all sizes, which aliases when it is shrunk."""
    rng = np.random.default_rng(0)
    image = rng.normal(127, 25, (height, width, 3)).clip(0, 255).astype(np.uint8)
    for _ in range(width * height // 5000):
        centre, radius = (int(rng.integers(width)), int(rng.integers(height))), int(rng.integers(3, 40))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.circle(image, centre, radius, colour, int(rng.integers(1, 3)) if radius % 2 else -1)
    return image


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2)))


@pytest.mark.parametrize("size", [(640, 480), (500, 333), (300, 300), (1200, 900)])
def test_resize_is_close_to_that_of_pillow_and_closer_than_bilinear(size: tuple[int, int]) -> None:
    image = detailed(*size)
    expected = np.asarray(Image.fromarray(image).resize((224, 224), Image.Resampling.BILINEAR))
    ours = image_ops.resize(image, 224, 224)
    aliased = cv2.resize(image, (224, 224), interpolation=cv2.INTER_LINEAR)
    assert ours.shape == (224, 224, 3)
    assert psnr(ours, expected) > max(28, psnr(aliased, expected) + 3)


def test_a_centre_square_is_the_middle_of_the_resized_image() -> None:
    image = detailed(400, 300)
    whole = np.asarray(Image.fromarray(image).resize((299, 224), Image.Resampling.BILINEAR))
    assert psnr(image_ops.centre_square(image, 224), whole[:, 37:261]) > 28


@pytest.mark.parametrize("size", [(448, 100), (100, 448), (230, 230), (900, 230), (223, 225)])
def test_resize_by_different_factors_is_close_to_that_of_pillow(size: tuple[int, int]) -> None:
    image = detailed(*size)
    expected = np.asarray(Image.fromarray(image).resize((224, 224), Image.Resampling.BILINEAR))
    assert psnr(image_ops.resize(image, 224, 224), expected) > 24


def test_crops_and_padding_have_the_size_asked_for() -> None:
    rng = np.random.default_rng(0)
    image = detailed(90, 40)
    assert image_ops.centre_square(image, 20).shape == (20, 20, 3)
    assert image_ops.centre_square(image, 60).shape == (60, 60, 3)
    assert image_ops.centre_crop(image, 32).shape == (32, 32, 3)
    assert image_ops.random_crop(image, 40, rng).shape == (40, 40, 3)
    padded = image_ops.pad_to_square(image, 32, (1, 2, 3))
    assert padded.shape == (32, 32, 3)
    assert padded[0, 0].tolist() == [1, 2, 3]
