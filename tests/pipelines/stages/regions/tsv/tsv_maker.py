"""Writes TSVs as the public extraction scripts do."""

import base64
from pathlib import Path

import numpy as np

WIDTH = 6
"""Values of a feature."""


def encode(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def cells(image: str, boxes: int = 2, width: int = 48, height: int = 48) -> dict[str, str]:
    """Return the cells of a row by the names of bottom-up attention and LXMERT. A box's feature is its number."""
    numbers = np.arange(boxes, dtype=np.float32)
    corners = np.stack([numbers, numbers, numbers + 10, numbers + 12], 1)
    confidences = ((numbers + 1) / (boxes + 1)).astype(np.float32)
    probabilities = np.zeros((boxes, 1601), np.float32)
    probabilities[:, 0], probabilities[:, 7] = 1 - confidences, confidences
    return {
        "image_id": image, "img_id": image, "image_w": str(width), "img_w": str(width), "image_h": str(height),
        "img_h": str(height), "num_boxes": str(boxes), "boxes": encode(corners.astype(np.float32)),
        "features": encode(np.repeat(numbers[:, None], WIDTH, 1)), "objects_id": encode(np.full(boxes, 6, np.int64)),
        "objects_conf": encode(confidences), "attrs_id": encode(np.zeros(boxes, np.int64)),
        "attrs_conf": encode(confidences), "cls_prob": encode(probabilities),
    }  # fmt: skip


BOTTOM_UP = ["image_id", "image_w", "image_h", "num_boxes", "boxes", "features"]
VILBERT = [*BOTTOM_UP, "cls_prob"]
LXMERT = [
    "img_id",
    "img_h",
    "img_w",
    "objects_id",
    "objects_conf",
    "attrs_id",
    "attrs_conf",
    "num_boxes",
    "boxes",
    "features",
]


def line(names: list[str], values: dict[str, str]) -> str:
    return "\t".join(values[name] for name in names)


def write(path: Path, names: list[str], *rows: dict[str, str], end: str = "\r\n") -> Path:
    """Write rows in an order of columns; the scripts' csv module ends lines with CR and LF."""
    path.write_text("".join(line(names, row) + end for row in rows), newline="")
    return path
