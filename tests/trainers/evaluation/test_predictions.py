"""Predictions as plain values, and counted per class."""

import pytest

from corpusloom.trainers.evaluation.figures import wilson
from corpusloom.trainers.evaluation.predictions import Prediction, per_class


def guess(label: str | None, *names: str, right: bool | None = None) -> Prediction:
    top = tuple((name, 0.5 - number / 10) for number, name in enumerate(names))
    return Prediction("x", 0, label, (names[0] == label) if right is None and label else right, top)


def test_classes_are_counted_with_what_they_are_mistaken_for() -> None:
    found = list(
        per_class(
            [guess("cat", "cat"), guess("cat", "dog"), guess("cat", "bird"), guess("cat", "dog"), guess("dog", "dog")]
        )
    )
    assert [(row.name, row.images, row.right, row.mistaken_for) for row in found] == [
        ("cat", 4, 1, "dog"),
        ("dog", 1, 1, ""),
    ]
    assert (found[0].low, found[0].high) == wilson(1, 4)


def test_a_tie_is_wrong_though_the_own_class_is_listed_first() -> None:
    (row,) = per_class([guess("cat", "cat", "dog", right=False)])
    assert (row.right, row.mistaken_for) == (0, "dog")


def test_predictions_without_labels_have_no_classes() -> None:
    assert list(per_class([guess(None, "cat")])) == []


@pytest.mark.parametrize("label", ["cat", None])
def test_plain_values_have_what_is_known(label: str | None) -> None:
    known = {"label": "cat", "right": False} if label else {}
    assert guess(label, "dog", "cat").to_plain() == {"image": "x", **known, "top": [["dog", 0.5], ["cat", 0.4]]}
