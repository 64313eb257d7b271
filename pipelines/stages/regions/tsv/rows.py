"""One row of a TSV with a detector's outputs: checked by the lengths of its cells, and decoded.

Boxes, features, confidences and class probabilities are the base64 of little-endian float32, class numbers of int64.
"""

import base64
import binascii
import posixpath
from dataclasses import dataclass

import numpy as np

from corpusloom.pipelines.stages.regions.tsv.columns import ColumnOrder
from corpusloom.schemas.layout import IMAGE_EXTENSIONS

CLASSES = 1600
"""Classes of the published detectors (Visual Genome), without the background."""
MAX_BOXES = 10_000
_BOX_BYTES = 16


class RowError(Exception):
    """A row cannot be used; the only argument is the reason, a stable word."""


@dataclass(frozen=True, slots=True)
class RowShape:
    """What a row says without its arrays."""

    image: str
    """Name of the image as `image_name` writes it."""
    width: int
    height: int
    boxes: int
    feature_width: int


@dataclass(frozen=True, slots=True)
class TsvRow:
    """The outputs of a row."""

    shape: RowShape
    boxes: np.ndarray
    features: np.ndarray
    class_probs: np.ndarray
    """(n, 1601) with the background first, or (n, 0) if the file has none."""
    scores: np.ndarray | None
    """Confidence per box; None if the file has none."""


def image_name(text: str) -> str:
    """Return the name of an image in one form: without folder and image extension; a number without leading zeros."""
    stem, extension = posixpath.splitext(posixpath.basename(text.strip()))
    name = stem if extension.lower().removeprefix(".") in {*IMAGE_EXTENSIONS, "jpeg"} else stem + extension
    return str(int(name)) if name.isascii() and name.isdigit() and len(name) <= 18 else name


def split_line(line: bytes, order: ColumnOrder) -> list[bytes]:
    """Return the cells of a line; RowError if they are more or fewer than the columns."""
    cells = line.rstrip(b"\r\n").split(b"\t")
    if len(cells) != len(order.names):
        raise RowError("tsv_wrong_columns")
    return cells


def shape_of(cells: list[bytes], order: ColumnOrder) -> RowShape:
    """Return the shape of a row, by the lengths of its base64; nothing is decoded. Raises RowError."""
    try:
        image = image_name(order.cell(cells, "image_id").decode())
    except UnicodeDecodeError as error:
        raise RowError("tsv_bad_id") from error
    if not image:
        raise RowError("tsv_bad_id")
    width, height, count = (_number(order.cell(cells, name)) for name in ("image_w", "image_h", "num_boxes"))
    if not width or not height:
        raise RowError("tsv_bad_number")
    if not count:
        raise RowError("tsv_no_boxes")
    if count > MAX_BOXES or _decoded_bytes(order.cell(cells, "boxes")) != count * _BOX_BYTES:
        raise RowError("tsv_wrong_boxes_length")
    size = _decoded_bytes(order.cell(cells, "features"))
    if not size or size % (4 * count):
        raise RowError("tsv_wrong_features_length")
    for name, item in (("objects_id", 8), ("objects_conf", 4)):
        if order.has(name) and _decoded_bytes(order.cell(cells, name)) != item * count:
            raise RowError("tsv_wrong_objects_length")
    if order.has("cls_prob"):
        probabilities = _decoded_bytes(order.cell(cells, "cls_prob"))
        if not probabilities or probabilities % (4 * count):
            raise RowError("tsv_wrong_probabilities_length")
    return RowShape(image, width, height, count, size // (4 * count))


def decode_row(line: bytes, order: ColumnOrder) -> TsvRow:
    """Return the outputs of a line; RowError if they cannot be used.

    Without the column cls_prob, an object's number and confidence make a distribution of two classes: the confidence is
    the object's, the rest is the background's (ours; LXMERT's own loss weights the object's number by its confidence).
    """
    cells = split_line(line, order)
    shape = shape_of(cells, order)

    def array(name: str, kind: str) -> np.ndarray:
        return np.frombuffer(_decode(order.cell(cells, name)), kind).reshape(shape.boxes, -1)

    boxes, features = array("boxes", "<f4"), array("features", "<f4")
    if order.has("cls_prob"):
        probabilities = array("cls_prob", "<f4")
        return TsvRow(shape, boxes, features, probabilities, probabilities[:, 1:].max(1, initial=0))
    if order.has("objects_id") and order.has("objects_conf"):
        numbers, confidences = array("objects_id", "<i8")[:, 0], array("objects_conf", "<f4")[:, 0]
        return TsvRow(shape, boxes, features, two_classes(numbers, confidences), confidences)
    return TsvRow(shape, boxes, features, np.zeros((shape.boxes, 0), np.float32), None)


def two_classes(numbers: np.ndarray, confidences: np.ndarray) -> np.ndarray:
    """Return distributions over background and classes: (n,), (n,) -> (n, 1601), from numbers from 0, confidences."""
    if (numbers < 0).any() or (numbers >= CLASSES).any():
        raise RowError("tsv_unknown_class")
    found = np.zeros((len(numbers), CLASSES + 1), np.float32)
    found[:, 0] = 1 - confidences
    found[np.arange(len(numbers)), numbers + 1] = confidences
    return found


def _number(cell: bytes) -> int:
    """Return a whole number from 0 to 999,999,999."""
    if not cell.isdigit() or len(cell) > 9:
        raise RowError("tsv_bad_number")
    return int(cell)


def _plain(cell: bytes) -> bytes:
    """Return base64 without the b'...' that Python 3 writes around bytes."""
    return cell[2:-1] if cell.startswith((b"b'", b'b"')) else cell


def _decoded_bytes(cell: bytes) -> int:
    """Return the number of bytes that base64 stands for; RowError if its length is none of base64."""
    plain = _plain(cell)
    if len(plain) % 4:
        raise RowError("tsv_wrong_base64")
    return len(plain) // 4 * 3 - (len(plain) - len(plain.rstrip(b"=")))


def _decode(cell: bytes) -> bytes:
    try:
        return base64.b64decode(_plain(cell), validate=True)
    except binascii.Error as error:
        raise RowError("tsv_wrong_base64") from error
