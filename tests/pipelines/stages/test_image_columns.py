"""Hash and face boxes in the columns of a row."""

import hashlib

import pytest

from corpusloom.pipelines.models.faces.boxes import FaceBox
from corpusloom.pipelines.recipes.recipe import Images
from corpusloom.pipelines.stages.image_columns import check_hash, faces_of, refuse_row, wanted_hash
from corpusloom.schemas.verdicts import Rejected

BOTH = Images(verify_hash="sum:md5", face_boxes="faces")
SUM = hashlib.md5(b"image").hexdigest()


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"sum": SUM, "faces": "[]"}, None),
        ({"faces": "[]"}, "no_hash"),
        ({"sum": SUM[1:], "faces": "[]"}, "bad_hash"),
        ({"sum": SUM}, "no_face_boxes"),
        ({"sum": SUM, "faces": "[[0, 0, 2, 2]]"}, "bad_face_boxes"),
    ],
)
def test_a_row_without_a_sound_hash_or_boxes_is_refused(columns: dict[str, str], reason: str | None) -> None:
    assert refuse_row(columns, BOTH) == (Rejected(reason) if reason else None)
    assert refuse_row(columns, Images()) is None


def test_the_bytes_have_the_hash_of_their_row_or_are_rejected() -> None:
    columns = {"sum": SUM.upper()}
    assert wanted_hash(columns, BOTH) == SUM
    assert check_hash(b"image", columns, BOTH) is None
    for data, row in ((b"other", columns), (b"image", {"sum": "0" * 32}), (b"image", {})):
        assert check_hash(data, row, BOTH) == Rejected("hash_mismatch")
    assert (wanted_hash(columns, Images()), check_hash(b"other", columns, Images())) == (None, None)


def test_boxes_are_those_of_the_column_that_the_recipe_names() -> None:
    assert faces_of({"faces": "[[0, 0, 0.5, 1]]"}, BOTH) == (FaceBox(0, 0, 0.5, 1),)
    assert faces_of({"faces": "[[0, 0, 0.5, 1]]"}, Images()) == ()
