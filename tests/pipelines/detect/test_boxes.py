"""Boxes lie in the image, are 10 to 36 and find what is drawn; arrays come back without a pickle."""

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.demo import drawing
from pipelines.detect.arrays import encode_regions
from pipelines.detect.boxes import MAX_BOXES, MIN_BOXES, overlap, propose_boxes
from pipelines.detect.model import pool


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_boxes_of_any_image_lie_inside_it(height: int, width: int, seed: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    boxes = propose_boxes(rgb)
    assert MIN_BOXES <= len(boxes) <= MAX_BOXES
    assert (boxes >= 0).all()
    assert (boxes[:, 2] <= width).all()
    assert (boxes[:, 3] <= height).all()
    assert (boxes[:, :2] < boxes[:, 2:]).all()


def test_a_drawn_object_has_a_box() -> None:
    rgb = np.full((200, 300, 3), 235, np.uint8)
    rgb[60:120, 180:260] = (208, 38, 38)
    assert overlap(np.array([180, 60, 260, 120], np.float32), propose_boxes(rgb)).max() > 0.7


def test_the_same_image_gives_the_same_boxes() -> None:
    rgb = drawing.draw(drawing.make_picture("red star", 5))
    assert np.array_equal(propose_boxes(rgb), propose_boxes(rgb.copy()))


def test_pooling_weighs_cells_by_their_share_of_the_box() -> None:
    grid = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    weight, bias = np.eye(2, dtype=np.float32), np.zeros(2, np.float32)
    boxes = np.array([[0, 0, 1, 1], [0, 0, 0.5, 0.5], [0, 0, 0.75, 0.5], [0.1, 0.1, 0.2, 0.2]], np.float32)
    features, probabilities = pool(grid, boxes, weight, bias)
    assert np.allclose(features[0], grid.mean((1, 2)))
    assert np.allclose(features[1], grid[:, 0, 0])
    assert np.allclose(features[2], (grid[:, 0, 0] * 2 + grid[:, 0, 1]) / 3, atol=5e-3)
    assert np.allclose(features[3], grid[:, 0, 0])
    assert np.allclose(probabilities.astype(np.float32).sum(1), 1, atol=1e-2)


def test_regions_are_the_same_bytes_and_load_without_pickle() -> None:
    boxes = np.zeros((3, 4), np.float32)
    features, probabilities = np.ones((3, 5), np.float16), np.full((3, 2), 0.5, np.float16)
    data = encode_regions(boxes, features, probabilities)
    assert data == encode_regions(boxes, features, probabilities)
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        assert np.array_equal(arrays["features"], features)
        assert sorted(arrays) == ["boxes", "class_probs", "features"]
