"""Blurs faces: a Gaussian of the size of the largest face, over each box with a margin and a soft edge.

Width and margin are those of the obfuscated ImageNet (arXiv 2103.06191): a tenth of the longer side of the largest
box. Inside a box and its margin nothing of the original remains; the soft edge lies outside (ours). The Gaussian is
three box filters one after another, in integers, so that the bytes do not depend on the processor.
"""

import math
from collections.abc import Sequence

import numpy as np

from corpusloom.pipelines.models.faces.boxes import FaceBox

SHARE = 0.1
"""Standard deviation of the Gaussian, and margin, as a share of the longer side of the image's largest box."""
PASSES = 3


def blur_faces(pixels: np.ndarray, boxes: Sequence[FaceBox]) -> np.ndarray:
    """Return an RGB image (H, W, 3) uint8 with blurred boxes, each over every pixel that it touches."""
    height, width = pixels.shape[:2]
    placed = [_pixels_of(box, width, height) for box in boxes]
    if not placed:
        return pixels
    longest = max(max(right - left, bottom - top) for left, top, right, bottom in placed)
    margin, radius = math.ceil(SHARE * longest), _radius(SHARE * longest)
    soft = max(1, margin // PASSES)
    grown, around = margin + PASSES * soft, margin + PASSES * (2 * soft + radius)
    left, top = (max(0, min(box[side] for box in placed) - around) for side in (0, 1))
    right, bottom = (max(box[side] for box in placed) + around for side in (2, 3))
    part = pixels[top:bottom, left:right]
    mask = np.zeros((*part.shape[:2], 1), np.uint8)
    for box in placed:
        first_row, first_column = max(0, box[1] - top - grown), max(0, box[0] - left - grown)
        mask[first_row : box[3] - top + grown, first_column : box[2] - left + grown] = 255
    weight = _smooth(mask, soft).astype(np.int32)
    mixed = (_smooth(part, radius) * weight + part * (255 - weight) + 127) // 255
    result = pixels.copy()
    result[top:bottom, left:right] = mixed
    return result


def _pixels_of(box: FaceBox, width: int, height: int) -> tuple[int, int, int, int]:
    """Return a box in pixels, grown to whole ones."""
    left, top = math.floor(box.left * width), math.floor(box.top * height)
    return left, top, max(left + 1, math.ceil(box.right * width)), max(top + 1, math.ceil(box.bottom * height))


def _radius(sigma: float) -> int:
    """Return the radius of the box filters that together have this standard deviation."""
    return max(1, round((math.sqrt(12 * sigma * sigma / PASSES + 1) - 1) / 2))


def _smooth(values: np.ndarray, radius: int) -> np.ndarray:
    """Return an array (H, W, C) of bytes after three box filters of 2 * radius + 1 pixels along each side."""
    for axis in (0, 1):
        for _ in range(PASSES):
            values = _mean(values, radius, axis)
    return values


def _mean(values: np.ndarray, radius: int, axis: int) -> np.ndarray:
    """Return the rounded mean of the 2 * radius + 1 values around each along an axis; the edges are repeated."""
    around = [(radius + 1, radius) if at == axis else (0, 0) for at in range(values.ndim)]
    sums = np.cumsum(np.pad(values, around, "edge"), axis, dtype=np.int32)
    size = 2 * radius + 1
    ahead, behind = np.moveaxis(sums, axis, 0)[size:], np.moveaxis(sums, axis, 0)[:-size]
    return np.moveaxis(((ahead - behind + radius) // size).astype(np.uint8), 0, axis)
