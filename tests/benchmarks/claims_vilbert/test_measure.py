"""Scores of annotations become means per scene, and R@k counts captions whose image is among the first k."""

import numpy as np
import torch

from benchmarks.claims_vilbert.measure import ANSWERS, BOTH, RATIONALES, hits_of, per_scene
from corpusloom.trainers.vilbert.downstream.formats.expressions import Expression
from corpusloom.trainers.vilbert.downstream.formats.problems import Problem
from corpusloom.trainers.vilbert.downstream.texts import Choices


def expression(number: int, image: int) -> Expression:
    return Expression(number, f"{number}/0", image, "text", (0, 0, 1, 1), 10, 10, "val")


def test_a_scene_has_the_mean_of_its_annotations() -> None:
    items = [expression(4, 20), expression(7, 10), expression(9, 20)]
    assert per_scene(items, {4: 1.0, 7: 0.0, 9: 0.5})["accuracy"].tolist() == [0.0, 0.75]


def test_both_choices_of_a_question_count_together() -> None:
    text = Choices(("what",), ("a", "b", "c", "d"))
    items = [
        Problem(2 * at + part, f"{at}/{part}", str(at), f"image_{at}", "", text, 0, given, "val")
        for at in range(3)
        for part, given in enumerate((None, 0))
    ]
    found = per_scene(items, dict(enumerate([1.0, 1.0, 1.0, 0.0, 0.0, 1.0])))
    assert {name: values.tolist() for name, values in found.items()} == {
        ANSWERS: [1, 1, 0], RATIONALES: [1, 0, 1], BOTH: [1, 0, 0],
    }  # fmt: skip


def test_hits_count_ranks_below_k() -> None:
    scores = torch.zeros(12, 12)
    scores[0, 0] = 1.0
    scores[1, :4] = torch.tensor([2.0, 1.0, 3.0, 4.0])
    found = hits_of(scores[:, :])
    assert found["R@1"][:2].tolist() == [1.0, 0.0]
    assert found["R@5"][:2].tolist() == [1.0, 1.0]
    assert isinstance(found["R@10"], np.ndarray)
