"""Augmentation: each change stays within its limit, and the same generator gives the same pixels."""

import numpy as np

from corpusloom.trainers.clip.augment import augment, warp
from corpusloom.trainers.clip.config import CLIPDataConfig

SIZE = 24
RED = np.full((SIZE, SIZE, 3), (200, 40, 40), np.uint8)


def draws(config: CLIPDataConfig, image: np.ndarray, count: int = 40) -> list[np.ndarray]:
    return [augment(image, SIZE, config, np.random.default_rng(seed)) for seed in range(count)]


def spot(row: int, column: int, side: int = 2) -> np.ndarray:
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[row : row + side, column : column + side] = 255
    return image


def centre(image: np.ndarray) -> tuple[float, float]:
    """Return the mean row and column of the light."""
    light = image[:, :, 0].astype(float)
    places = np.arange(SIZE)
    return float(light.sum(1) @ places / light.sum()), float(light.sum(0) @ places / light.sum())


def test_without_a_change_the_pixels_stay() -> None:
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    assert np.array_equal(augment(image, SIZE, CLIPDataConfig(), np.random.default_rng(0)), image)


def test_half_of_the_images_are_mirrored() -> None:
    ramp = np.broadcast_to(np.arange(SIZE, dtype=np.uint8)[None, :, None], (SIZE, SIZE, 3))
    firsts = [int(image[0, 0, 0]) for image in draws(CLIPDataConfig(flip=True), ramp)]
    assert set(firsts) == {0, 23}
    assert 8 < firsts.count(23) < 32


def test_a_shift_moves_a_spot_up_to_its_share_and_in_both_directions() -> None:
    places = np.array([centre(image) for image in draws(CLIPDataConfig(shift=0.25), spot(11, 11))]) - 11.5
    assert np.abs(places).max() <= 0.25 * SIZE + 0.1
    assert (places.max(0) > 3).all()
    assert (places.min(0) < -3).all()


def test_a_zoom_keeps_the_centre_and_is_as_often_smaller_as_larger() -> None:
    areas = [int((image[:, :, 0] > 127).sum()) for image in draws(CLIPDataConfig(zoom=0.5), spot(8, 8, 8))]
    assert min(areas) >= (8 / 1.5) ** 2 - 8
    assert max(areas) <= (8 * 1.5) ** 2 + 8
    assert 8 < sum(area < 64 for area in areas) < 32
    assert np.allclose(centre(warp(spot(8, 8, 8), CLIPDataConfig(zoom=0.5), np.random.default_rng(0))), 11.5, atol=0.1)


def test_a_rotation_turns_about_the_centre() -> None:
    places = [np.array(centre(image)) - 11.5 for image in draws(CLIPDataConfig(rotation=30), spot(1, 11))]
    angles = [float(np.degrees(np.arctan2(column, -row))) for row, column in places]
    assert -31 < min(angles) < -15
    assert 15 < max(angles) < 31
    assert np.allclose([np.hypot(*place) for place in places], 10, atol=0.3)


def test_a_shifted_ground_repeats_its_edge() -> None:
    assert all(np.array_equal(image, RED) for image in draws(CLIPDataConfig(shift=0.5, rotation=90, zoom=1), RED, 5))


def test_brightness_and_contrast_are_drawn_within_their_limits() -> None:
    grey = np.full((SIZE, SIZE, 3), 100, np.uint8)
    bright = {int(image[0, 0, 0]) for image in draws(CLIPDataConfig(brightness=0.2), grey)}
    assert 79 <= min(bright) < 100 < max(bright) <= 120
    flat = {int(image[0, 0, 0]) for image in draws(CLIPDataConfig(contrast=0.5), grey)}
    assert 86 <= min(flat) < 100 < max(flat) <= 114


def test_saturation_keeps_the_luma_and_greyscale_takes_the_colours_of_its_share() -> None:
    luma = np.array([0.299, 0.587, 0.114])
    for image in draws(CLIPDataConfig(saturation=0.5), RED, 10):
        assert abs(float(image[0, 0] @ luma) - float(RED[0, 0] @ luma)) < 1.5
    spreads = [int(np.ptp(image[0, 0])) for image in draws(CLIPDataConfig(saturation=0.5), RED)]
    assert 80 <= min(spreads) < 160 < max(spreads) <= 240
    grey = [int(np.ptp(image[0, 0])) <= 1 for image in draws(CLIPDataConfig(greyscale=0.5), RED)]
    assert 8 < sum(grey) < 32


def test_the_same_generator_gives_the_same_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    config = CLIPDataConfig(shift=0.1, zoom=0.2, rotation=20, contrast=0.2, saturation=0.5, greyscale=0.2)
    first, again = (augment(image, SIZE, config, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.dtype == np.uint8
