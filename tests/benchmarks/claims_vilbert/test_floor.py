"""Floors are above chance where a linear map can be, and the most frequent answer follows the question."""

from benchmarks.claims_vilbert.floor import refcoco_floor, retrieval_floor, vcr_floor, vqa_floor
from benchmarks.claims_vilbert.measure import ANSWERS, BOTH, RATIONALES
from benchmarks.claims_vilbert.world import make_scene

KNOWN = [make_scene(number) for number in range(200)]
ASKED = [make_scene(number) for number in range(200, 240)]


def test_a_ridge_retrieves_above_chance_and_far_from_perfectly() -> None:
    found = retrieval_floor(KNOWN, ASKED)
    assert found["R@1"].mean() < found["R@10"].mean() < 1
    assert found["R@10"].mean() > 1.5 * 10 / len(ASKED)


def test_the_most_frequent_answer_is_right_between_chance_and_always() -> None:
    assert 0.2 < vqa_floor(KNOWN, ASKED)["accuracy"].mean() < 0.7


def test_a_ridge_finds_some_objects_and_both_choices_are_right_where_each_is() -> None:
    assert 0.3 < refcoco_floor(KNOWN, ASKED)["accuracy"].mean() < 1
    found = vcr_floor(KNOWN, ASKED)
    assert (found[BOTH] == found[ANSWERS] * found[RATIONALES]).all()
    assert found[ANSWERS].mean() > 0.25
