"""Proposes boxes of an image without a detector: a fixed grid, and connected regions of colour."""

import cv2
import numpy as np

MIN_BOXES, MAX_BOXES = 10, 36
"""Regions per image, at least and at most (ViLBERT: arXiv 1908.02265, section 3.1)."""
_LEVELS = 4
_WORK_SIDE = 64
_MIN_AREA = 0.01
_NMS_IOU = 0.7


def grid_boxes(width: int, height: int) -> np.ndarray:
    """Return ten boxes in pixels, (10, 4) x1 y1 x2 y2: the whole, 2 x 2 quarters, 2 x 2 overlapping, the centre."""
    shares = [(0.0, 0.0, 1.0, 1.0), (0.25, 0.25, 0.75, 0.75)]
    shares += [(x, y, x + 0.5, y + 0.5) for y in (0.0, 0.5) for x in (0.0, 0.5)]
    shares += [(x, y, x + 0.67, y + 0.67) for y in (0.0, 0.33) for x in (0.0, 0.33)]
    return np.array(shares, np.float32) * np.array([width, height, width, height], np.float32)


def colour_boxes(rgb: np.ndarray) -> np.ndarray:
    """Return the boxes of connected regions of one quantised colour, largest first, (n, 4) in pixels."""
    height, width = rgb.shape[:2]
    scale = _WORK_SIDE / max(height, width)
    small = cv2.resize(rgb, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)
    small = cv2.medianBlur(small, 5)
    codes = (small.astype(np.int32) * _LEVELS // 256) @ np.array([_LEVELS**2, _LEVELS, 1])
    area, found = codes.size, []
    present, pixels = np.unique(codes, return_counts=True)
    for code in present[pixels >= _MIN_AREA * area]:
        count, _, stats, _ = cv2.connectedComponentsWithStats((codes == code).astype(np.uint8), connectivity=4)
        found += [tuple(int(value) for value in stats[label]) for label in range(1, count)]
    kept = sorted((row for row in found if row[4] >= _MIN_AREA * area), key=lambda row: (-row[4], row))
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in kept], np.float32).reshape(-1, 4) / scale
    return np.minimum(boxes, np.array([width, height, width, height], np.float32))


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over union of one box with others: (4,), (n, 4) -> (n,)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return np.asarray(common / np.maximum(areas - common, 1e-6))


def propose_boxes(rgb: np.ndarray, max_boxes: int = MAX_BOXES) -> np.ndarray:
    """Return 10 to 36 boxes of an image, float32 (n, 4) in pixels: the grid, then colour regions with less overlap.

    With `max_boxes` below 10 the last boxes of the grid are left out.
    """
    height, width = rgb.shape[:2]
    kept = list(grid_boxes(width, height))[:max_boxes]
    for box in colour_boxes(rgb):
        if len(kept) >= max_boxes:
            break
        if (overlap(box, np.array(kept)) < _NMS_IOU).all():
            kept.append(box)
    return np.array(kept, np.float32)
