"""One row of a TSV: each wrong cell has a reason of its own, and the arrays are those that were written."""

import numpy as np
import pytest

from corpusloom.pipelines.stages.regions.tsv.columns import column_order
from corpusloom.pipelines.stages.regions.tsv.rows import RowError, decode_row, image_name, shape_of, split_line
from tests.pipelines.stages.regions.tsv.tsv_maker import BOTTOM_UP, LXMERT, VILBERT, WIDTH, cells, encode, line


def decode(names: list[str], **changes: str) -> object:
    """Decode a row of two boxes with some cells changed."""
    order = column_order(line(names, cells("7")).encode(), (), "a.tsv")
    return decode_row(line(names, cells("7") | changes).encode() + b"\n", order)


@pytest.mark.parametrize("names", [BOTTOM_UP, VILBERT, LXMERT])
def test_a_row_has_the_arrays_that_were_written(names: list[str]) -> None:
    order = column_order(line(names, cells("7")).encode(), (), "a.tsv")
    row = decode_row(line(names, cells("7", boxes=3, width=64, height=32)).encode() + b"\r\n", order)
    shape = row.shape
    assert (shape.image, shape.width, shape.height, shape.boxes, shape.feature_width) == ("7", 64, 32, 3, WIDTH)
    assert row.boxes.tolist() == [[0, 0, 10, 12], [1, 1, 11, 13], [2, 2, 12, 14]]
    assert row.features.tolist() == [[number] * WIDTH for number in range(3)]
    if names is BOTTOM_UP:
        assert row.class_probs.shape == (3, 0)
        assert row.scores is None
    else:  # objects of number 6 have class 7: the background is class 0
        assert row.class_probs.shape == (3, 1601)
        assert row.scores is not None
        np.testing.assert_allclose(row.scores, [0.25, 0.5, 0.75])
        np.testing.assert_allclose(row.class_probs[:, 7], [0.25, 0.5, 0.75])
        np.testing.assert_allclose(row.class_probs[:, 0], [0.75, 0.5, 0.25])
        assert row.class_probs[:, [1, 6, 8, 1600]].sum() == 0


@pytest.mark.parametrize(
    ("names", "changes", "reason"),
    [
        (BOTTOM_UP, {"image_id": " "}, "tsv_bad_id"),
        (BOTTOM_UP, {"image_w": "0"}, "tsv_bad_number"),
        (BOTTOM_UP, {"image_h": "4.5"}, "tsv_bad_number"),
        (BOTTOM_UP, {"num_boxes": "0"}, "tsv_no_boxes"),
        (BOTTOM_UP, {"num_boxes": "3"}, "tsv_wrong_boxes_length"),
        (BOTTOM_UP, {"boxes": encode(np.zeros((2, 4), np.float64))}, "tsv_wrong_boxes_length"),
        (BOTTOM_UP, {"features": encode(np.zeros(5, np.float32))}, "tsv_wrong_features_length"),
        (BOTTOM_UP, {"features": ""}, "tsv_wrong_features_length"),
        (BOTTOM_UP, {"features": "AAA"}, "tsv_wrong_base64"),
        (BOTTOM_UP, {"features": "!" * 64}, "tsv_wrong_base64"),
        (LXMERT, {"objects_id": encode(np.zeros(2, np.int32))}, "tsv_wrong_objects_length"),
        (LXMERT, {"objects_conf": encode(np.zeros(3, np.float32))}, "tsv_wrong_objects_length"),
        (LXMERT, {"objects_id": encode(np.full(2, 1600))}, "tsv_unknown_class"),
        (VILBERT, {"cls_prob": encode(np.zeros(3, np.float32))}, "tsv_wrong_probabilities_length"),
        (BOTTOM_UP, {"features": "AAAA\tAAAA"}, "tsv_wrong_columns"),
    ],
)
def test_each_wrong_cell_has_its_reason(names: list[str], changes: dict[str, str], reason: str) -> None:
    with pytest.raises(RowError, match=f"^{reason}$"):
        decode(names, **changes)


def test_an_id_that_is_not_utf8_has_a_reason() -> None:
    order = column_order(line(BOTTOM_UP, cells("7")).encode(), (), "a.tsv")
    with pytest.raises(RowError, match="tsv_bad_id"):
        shape_of(split_line(line(BOTTOM_UP, cells("7")).encode().replace(b"7\t", b"\xff\t", 1), order), order)


def test_base64_that_python_3_wrote_as_bytes_is_read() -> None:
    plain, quoted = decode(BOTTOM_UP), decode(BOTTOM_UP, features=f"b'{cells('7')['features']}'")
    np.testing.assert_array_equal(plain.features, quoted.features)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("000000000009", "9"), ("9", "9"), ("a/b/9.jpg", "9"), ("x.JPEG", "x"), ("v1.5", "v1.5"),
        ("COCO_val2014_000000000009", "COCO_val2014_000000000009"), ("9" * 30, "9" * 30), ("²", "²"),
    ],
)  # fmt: skip
def test_the_name_of_an_image_has_one_form(text: str, name: str) -> None:
    assert image_name(text) == name
