"""What the further columns of a list tell of its images: a hash of the bytes, and boxes of faces.

A row whose value is missing or malformed is rejected before anything is fetched; so no image is published without the
check, or with a face that the list knows of.
"""

from collections.abc import Mapping

from corpusloom.pipelines.models.faces.boxes import FaceBox, parse_boxes
from corpusloom.pipelines.recipes.recipe import Images
from corpusloom.schemas.images.content_hash import hash_column
from corpusloom.schemas.verdicts import Rejected


def refuse_row(columns: Mapping[str, str], images: Images) -> Rejected | None:
    """Return why a row cannot be used: no_hash, bad_hash, no_face_boxes, bad_face_boxes; None if it can."""
    if images.verify_hash is not None:
        column = hash_column(images.verify_hash)
        if column.name not in columns:
            return Rejected("no_hash")
        if column.parse(columns[column.name]) is None:
            return Rejected("bad_hash")
    if images.face_boxes is not None:
        if images.face_boxes not in columns:
            return Rejected("no_face_boxes")
        if parse_boxes(columns[images.face_boxes]) is None:
            return Rejected("bad_face_boxes")
    return None


def wanted_hash(columns: Mapping[str, str], images: Images) -> str | None:
    """Return the hash that an image must have; None if none is wanted."""
    if images.verify_hash is None:
        return None
    column = hash_column(images.verify_hash)
    return column.parse(columns.get(column.name, ""))


def check_hash(data: bytes, columns: Mapping[str, str], images: Images) -> Rejected | None:
    """Return a rejection unless an image as fetched has the hash that its row names."""
    if images.verify_hash is None:
        return None
    is_equal = hash_column(images.verify_hash).hash_of(data) == wanted_hash(columns, images)
    return None if is_equal else Rejected("hash_mismatch")


def faces_of(columns: Mapping[str, str], images: Images) -> tuple[FaceBox, ...]:
    """Return the boxes of faces of a row that is not refused."""
    return () if images.face_boxes is None else parse_boxes(columns[images.face_boxes]) or ()
