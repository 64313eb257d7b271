"""Blurred faces: nothing of the original inside a box, nothing changed far from it."""

import numpy as np
import pytest

from corpusloom.pipelines.models.faces.blur import blur_faces
from corpusloom.pipelines.models.faces.boxes import FaceBox

BOX = FaceBox(0.4, 0.4, 0.6, 0.6)


def noise(height: int = 200, width: int = 300) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_no_box_changes_nothing() -> None:
    pixels = noise()
    assert blur_faces(pixels, ()) is pixels


def test_a_box_and_its_margin_lose_their_detail_and_what_is_far_stays() -> None:
    pixels = noise()
    before = pixels.copy()
    found = blur_faces(pixels, [BOX])
    assert np.array_equal(pixels, before)  # the given array is not changed
    longest = 60  # 0.2 of 300 pixels, against 40 of 200
    inside = found[80 - longest // 10 : 120 + longest // 10, 120 - longest // 10 : 180 + longest // 10].astype(int)
    assert inside.std() < 0.1 * before.std()
    assert np.array_equal(found[:50], before[:50])
    assert np.array_equal(found[:, :90], before[:, :90])


def test_the_pixels_inside_do_not_depend_on_the_smallest_detail() -> None:
    stripes = np.zeros((200, 300, 3), np.uint8)
    stripes[:, ::2] = 255
    inside = blur_faces(stripes, [BOX])[80:120, 120:180]
    assert int(inside.max()) - int(inside.min()) < 25


def test_the_largest_face_sets_the_blur_of_all() -> None:
    small, large = FaceBox(0.05, 0.05, 0.1, 0.1), FaceBox(0.3, 0.2, 0.9, 0.9)
    alone, both = blur_faces(noise(), [small]), blur_faces(noise(), [small, large])
    assert both[10:20, 15:30].std() < alone[10:20, 15:30].std()


@pytest.mark.parametrize("box", [FaceBox(0, 0, 1, 1), FaceBox(0.999, 0.999, 1, 1), FaceBox(0, 0, 1e-9, 1e-9)])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (200, 300)])
def test_boxes_at_the_edge_and_tiny_images_are_blurred(box: FaceBox, size: tuple[int, int]) -> None:
    pixels = noise(*size)
    found = blur_faces(pixels, [box])
    assert (found.shape, found.dtype) == (pixels.shape, np.uint8)
    if size[0] > 1:
        assert (found != pixels).any()


def test_the_order_of_boxes_does_not_matter_and_a_grey_image_stays_grey() -> None:
    boxes = [BOX, FaceBox(0.5, 0.5, 0.8, 0.7)]
    assert np.array_equal(blur_faces(noise(), boxes), blur_faces(noise(), boxes[::-1]))
    grey = np.full((64, 64, 3), 77, np.uint8)
    assert np.array_equal(blur_faces(grey, [BOX]), grey)
