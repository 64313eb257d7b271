"""Perceptual hashes equal imagehash's; colour keeps recoloured drawings apart; flat images match nothing."""

import cv2
import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from corpusloom.pipelines.dedup.decontamination import BenchmarkItem, Benchmarks, DecontaminationConfig
from corpusloom.pipelines.dedup.image_hashes import (
    ImageHashes,
    TwinConfig,
    block_keys,
    colour_distance,
    hamming,
    has_content,
    hash_image,
)


def are_twins(first: ImageHashes, second: ImageHashes, config: TwinConfig | None = None) -> bool:
    """Return whether the second image matches an evaluation set with the first."""
    grid = first.grid.hex()
    item = BenchmarkItem(benchmark="b", item="i", sha256="0", dhash=first.dhash, phash=first.phash, grid=grid)
    index = Benchmarks([item], DecontaminationConfig(twins=config or TwinConfig()))
    return index.match_image("1", second) is not None


def noise(seed: int, width: int = 160, height: int = 120) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def drawing(colour: tuple[int, int, int], background: tuple[int, int, int] = (250, 250, 245)) -> np.ndarray:
    canvas = np.full((224, 224, 3), background, np.uint8)
    cv2.circle(canvas, (90, 120), 60, colour, -1)
    cv2.rectangle(canvas, (150, 20), (210, 90), tuple(value // 2 for value in colour), -1)
    return canvas


@pytest.mark.parametrize("seed", range(25))
def test_hashes_equal_those_of_imagehash(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rgb = noise(seed, *map(int, rng.integers(20, 400, 2)))
    image = Image.fromarray(rgb)
    found = hash_image(rgb)
    assert found.dhash == str(imagehash.dhash(image))
    assert found.phash == str(imagehash.phash(image))


@pytest.mark.parametrize("quality", [40, 75])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_recompressed_and_scaled_copy_is_a_twin(seed: int, quality: int) -> None:
    rgb = noise(seed, 320, 240)
    _, data = cv2.imencode(".jpg", rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    copy = cv2.resize(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1], (200, 150), interpolation=cv2.INTER_AREA)
    assert are_twins(hash_image(rgb), hash_image(copy))


def test_a_recoloured_drawing_is_no_twin() -> None:
    red, green = hash_image(drawing((200, 40, 40))), hash_image(drawing((40, 120, 40)))
    assert hamming(red.dhash, green.dhash) <= 4
    assert colour_distance(red.grid, green.grid) > 24
    assert not are_twins(red, green)
    assert are_twins(red, hash_image(drawing((201, 42, 40))))


def test_flat_images_match_nothing_by_hash() -> None:
    white = hash_image(np.full((100, 100, 3), 255, np.uint8))
    assert (white.gray_std, white.colour_range) == (0.0, 0.0)
    assert not has_content(white)
    assert not are_twins(white, white)
    faint = np.full((100, 100, 3), 128, np.uint8)
    faint[:50] = 132
    assert not has_content(hash_image(faint))


def test_colours_and_spread_are_facts_of_the_picture() -> None:
    rgb = np.zeros((80, 80, 3), np.uint8)
    rgb[:, 40:, 0] = 200
    found = hash_image(rgb)
    grid = np.frombuffer(found.grid, np.uint8).reshape(4, 4, 3)
    assert grid[:, :2].max() == 0
    assert (grid[:, 2:, 0] == 200).all()
    assert found.colour_range == 200.0
    assert found.gray_std == pytest.approx(30.0, abs=0.5)


@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=4))
def test_hashes_within_four_bits_share_a_block_key(value: int, flips: set[int]) -> None:
    other = value
    for bit in flips:
        other ^= 1 << bit
    assert set(block_keys(f"{value:016x}")) & set(block_keys(f"{other:016x}"))


def test_few_random_hashes_share_a_block_key() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**63, 400, dtype=np.uint64)
    keys = [set(block_keys(f"{int(value):016x}")) for value in values]
    shared = sum(bool(keys[0] & other) for other in keys[1:])
    assert len(block_keys("0" * 16)) == 15
    assert shared < 10


def test_thresholds_are_options() -> None:
    first, second = hash_image(noise(1)), hash_image(noise(2))
    assert not are_twins(first, second)
    near, far = hash_image(drawing((200, 40, 40))), hash_image(drawing((40, 120, 40)))
    assert not are_twins(near, far)
    assert are_twins(near, far, TwinConfig(max_phash_distance=64, max_colour_distance=255))
    assert not are_twins(
        near, far, TwinConfig(max_phash_distance=64, max_colour_distance=colour_distance(near.grid, far.grid) - 1)
    )
