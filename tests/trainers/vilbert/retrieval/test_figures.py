"""R@k of score matrices, in both directions, by hand."""

import pytest
import torch

from corpusloom.trainers.vilbert.retrieval import figures
from corpusloom.trainers.vilbert.retrieval.figures import captioned_retrieval, retrieval


def test_recall_counts_captions_whose_own_image_is_among_the_first_k() -> None:
    scores = torch.eye(10)
    scores[0, 3] = 2.0  # one caption prefers another image
    found = dict(retrieval(scores))
    assert found["r1"] == torch.tensor(0.9).item()
    assert found["r5"] == found["r10"] == 1
    assert found["chance"] == pytest.approx(found["r1_chance"]) == pytest.approx(0.1)
    assert found["r5_chance"] == pytest.approx(0.5)
    assert found["r1_low"] < 0.9 < found["r1_high"]


def test_images_of_equal_score_are_no_hits() -> None:
    assert dict(retrieval(torch.zeros(20, 20)))["r10"] == 0


@pytest.mark.parametrize("rows", [512, 2])
def test_with_several_captions_an_image_finds_the_best_of_its_own(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "ROWS", rows)
    scores = torch.tensor(
        [
            [3.0, 1.0, 2.0],  # image 0: rank 0
            [0.0, 5.0, 1.0],  # image 0: rank 2
            [1.0, 4.0, 9.0],  # image 1: rank 1
            [2.0, 2.0, 2.0],  # image 2: rank 2, for wrong images of equal score rank first
        ]
    )
    found = dict(captioned_retrieval(scores, torch.tensor([0, 0, 1, 2])))
    assert found["image_retrieval_r1"] == 0.25
    assert found["image_retrieval_r5"] == 1
    assert found["n"] == found["image_retrieval_r1_n"] == 4
    assert found["images"] == found["text_retrieval_r1_n"] == 3
    assert found["image_retrieval_r1_chance"] == pytest.approx(found["chance"]) == pytest.approx(1 / 3)
    # captions by image: 0 has the first, 1 has one of 5.0 before its 4.0, 2 has 9.0 before its 2.0
    assert found["text_retrieval_r1"] == pytest.approx(1 / 3)
    assert found["text_retrieval_r1_chance"] == pytest.approx((2 / 4 + 1 / 4 + 1 / 4) / 3)
