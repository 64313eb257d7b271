"""Boxes of faces: relative coordinates, and texts that are none."""

import json

import pytest

from corpusloom.pipelines.models.faces.boxes import FaceBox, parse_boxes


@pytest.mark.parametrize(
    ("boxes", "found"),
    [
        ([], ()),
        ([[0.1, 0.2, 0.3, 0.4]], (FaceBox(0.1, 0.2, 0.3, 0.4),)),
        ([[0, 0, 1, 1], [-0.05, 0.5, 1.05, 1]], (FaceBox(0, 0, 1, 1), FaceBox(0, 0.5, 1, 1))),
    ],
)
def test_boxes_are_cut_to_the_image(boxes: list[list[float]], found: tuple[FaceBox, ...]) -> None:
    assert parse_boxes(json.dumps(boxes)) == found


@pytest.mark.parametrize(
    "text",
    ["", "null", "{}", "7", "[0.1, 0.2, 0.3, 0.4]", "[[0.1, 0.2, 0.3]]", "[[0.1, 0.2, 0.3, 0.4, 0.5]]",
     "[[NaN, 0, 1, 1]]", "[[0, 0, Infinity, 1]]", "[[-0.06, 0, 1, 1]]", "[[0, 0, 1, 1.06]]", "[[10, 20, 90, 80]]",
     "[[0.5, 0, 0.5, 1]]", "[[0, 0.9, 1, 0.1]]", '[["0", 0, 1, 1]]', "[[true, 0, 1, 1]]", "[[0, 0, 1, 1], null]",
     "[[1.01, 0, 1.02, 1]]", "[" * 100_000, "[[0, 0, 1"],
)  # fmt: skip
def test_a_text_that_is_no_list_of_sound_boxes_is_none(text: str) -> None:
    assert parse_boxes(text) is None
