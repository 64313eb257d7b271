"""Boxes proposed without a detector: their number and place, and that they cover drawn shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.demo import drawing
from corpusloom.pipelines.stages.regions.boxes import (
    MAX_BOXES,
    MIN_BOXES,
    colour_boxes,
    grid_boxes,
    overlap,
    propose_boxes,
)


def noise(width: int, height: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 5))
def test_any_image_has_10_to_36_boxes_inside_it(width: int, height: int, seed: int) -> None:
    boxes = propose_boxes(noise(width, height, seed))
    assert boxes.dtype == np.float32
    assert MIN_BOXES <= len(boxes) <= MAX_BOXES
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= width).all()
    assert (boxes[:, 3] <= height).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_the_first_box_is_the_whole_image() -> None:
    assert propose_boxes(noise(320, 200, 0))[0].tolist() == [0, 0, 320, 200]
    assert len(grid_boxes(320, 200)) == MIN_BOXES


@pytest.mark.parametrize("corner", [(20, 30), (150, 20), (90, 120)])
def test_a_patch_of_colour_is_found(corner: tuple[int, int]) -> None:
    canvas = np.full((224, 288, 3), 240, np.uint8)
    x, y = corner
    canvas[y : y + 60, x : x + 80] = (220, 30, 30)
    found = overlap(np.array([x, y, x + 80, y + 60], np.float32), propose_boxes(canvas))
    assert found.max() > 0.75


def test_an_image_of_one_colour_has_the_grid_alone() -> None:
    assert len(propose_boxes(np.full((224, 224, 3), 90, np.uint8))) == MIN_BOXES


def test_boxes_of_colour_come_largest_first_and_drawings_have_some() -> None:
    rgb = drawing.draw(drawing.make_picture(drawing.classes()[0], 1))
    assert len(colour_boxes(rgb)) >= 1
    assert np.array_equal(propose_boxes(rgb), propose_boxes(rgb.copy()))


@pytest.mark.parametrize(("side", "found"), [(4, 1), (32, 2)])
def test_a_region_of_colour_needs_a_hundredth_of_the_image(side: int, found: int) -> None:
    canvas = np.full((64, 64, 3), 250, np.uint8)
    canvas[10 : 10 + side, 20 : 20 + side] = (10, 10, 10)
    boxes = colour_boxes(canvas)
    assert len(boxes) == found
    assert boxes[0].tolist() == [0, 0, 64, 64]
    if found == 2:
        assert overlap(np.array([20, 10, 20 + side, 10 + side], np.float32), boxes[1:]).tolist()[0] > 0.9


def test_overlap_is_intersection_over_union() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6]], np.float32)
    np.testing.assert_allclose(overlap(boxes[0], boxes), [1, 1 / 7, 0], atol=1e-6)
