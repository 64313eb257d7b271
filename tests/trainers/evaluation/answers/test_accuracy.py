"""Accuracy of answers against counts by hand."""

import pytest

from corpusloom.trainers.evaluation.answers.accuracy import ivqa_accuracy, top1, vqa_accuracy


@pytest.mark.parametrize(
    ("same", "accuracy"),
    # leave one out: with n of 10 the same, n subsets have n - 1 of them and 10 - n have n
    [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (9, 1.0)],
)
def test_vqa_accuracy_leaves_one_annotator_out(same: int, accuracy: float) -> None:
    references = ["Yes"] * same + ["no"] * (10 - same)
    assert vqa_accuracy("yes.", references) == pytest.approx(accuracy)


def test_texts_are_not_normalised_if_all_annotators_agree() -> None:
    assert vqa_accuracy("Yes", ["yes"] * 10) == 0
    assert vqa_accuracy("yes", ["yes"] * 10) == 1


def test_line_breaks_and_tabs_are_blanks_but_blanks_are_not_merged() -> None:
    assert vqa_accuracy("red\tbus\n", ["red bus"] * 10) == 1
    assert vqa_accuracy("red  bus", ["red bus"] * 10) == 0
    assert vqa_accuracy("red  bus", ["red bus"] * 9 + ["bus"]) == 1  # normal forms: the annotators do not all agree


def test_ivqa_needs_two_annotators() -> None:
    references = ["a cup", "cup", "mug", "glass", "plate"]
    assert [ivqa_accuracy(answer, references) for answer in ("the cup", "mug", "pan")] == [1.0, 0.5, 0.0]


def test_top1_compares_normal_forms() -> None:
    assert [top1(answer, ["2 dogs"]) for answer in ("Two dogs.", "two")] == [1.0, 0.0]
