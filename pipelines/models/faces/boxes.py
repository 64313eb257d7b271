"""Boxes of faces in relative coordinates, as DataComp publishes them in its column `face_bboxes`."""

import json
import math
from typing import NamedTuple

SLACK = 0.05
"""Distance beyond the image that a box may reach, as a share of its side: a detector's box of a face at the edge."""


class FaceBox(NamedTuple):
    """A box as shares of the image's width and height, as displayed, 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float


def parse_boxes(text: str) -> tuple[FaceBox, ...] | None:
    """Return the boxes of a list [[left, top, right, bottom], ...], cut to the image; None for any other text.

    Other texts are such with a number that is not finite or more than `SLACK` outside 0 to 1, as pixels are, and with
    a box that ends before it begins.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list):
        return None
    boxes = [_box_of(values) for values in found]
    return None if None in boxes else tuple(box for box in boxes if box is not None)


def _box_of(values: object) -> FaceBox | None:
    if not isinstance(values, list) or len(values) != 4:
        return None
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return None
    if not all(math.isfinite(value) and -SLACK <= value <= 1 + SLACK for value in values):
        return None
    box = FaceBox(*(min(max(float(value), 0.0), 1.0) for value in values))
    return box if box.left < box.right and box.top < box.bottom else None
