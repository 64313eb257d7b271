"""Retrieval by the alignment head: column, rank, and streams that are computed once."""

import pytest
import torch

from corpusloom.trainers.vilbert.evaluate import encode_images, evaluations, retrieval, retrieve, score_captions
from tests.trainers.vilbert.small import small_model
from tests.trainers.vilbert.test_objective import make_batch


def test_scores_are_those_of_each_pair_computed_alone() -> None:
    model, batch = small_model(), make_batch(5, mask=0.0)
    with torch.no_grad():
        images = encode_images(model, batch, 3)
        scores = torch.cat([score_captions(model, batch, part, images, 2) for part in ([0, 1, 2], [3, 4])])
    assert scores.shape == (5, 5)
    for caption in range(5):
        for image in range(5):
            outputs = model(
                batch["original"][caption][None],
                batch["token_mask"][caption][None],
                batch["features"][image][None].float(),
                batch["locations"][image][None],
                batch["region_mask"][image][None],
            )
            torch.testing.assert_close(scores[caption, image], outputs.alignment.softmax(1)[0, 0], atol=1e-5, rtol=1e-4)


def test_recall_counts_captions_whose_own_image_is_among_the_first_k() -> None:
    scores = torch.eye(10)
    scores[0, 3] = 2.0  # one caption prefers another image
    figures = dict(retrieval(scores))
    assert figures["r1"] == torch.tensor(0.9).item()
    assert figures["r5"] == figures["r10"] == 1
    assert figures["chance"] == pytest.approx(figures["r1_chance"]) == pytest.approx(0.1)
    assert figures["r5_chance"] == pytest.approx(0.5)
    assert figures["r1_low"] < 0.9 < figures["r1_high"]


def test_images_of_equal_score_are_no_hits() -> None:
    assert dict(retrieval(torch.zeros(20, 20)))["r10"] == 0


def test_the_evaluations_are_listed_by_name() -> None:
    found = evaluations()
    assert found["retrieval"] is retrieve
    assert set(found) == {"retrieval", "vqa", "vcr", "refcoco"}
