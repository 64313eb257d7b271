"""Figures of classification against small cases counted by hand."""

import numpy as np
import pytest
import torch

from corpusloom.trainers.clip.zero_shot.figures import precision_figures, rank_classes
from tests.trainers.clip.small import zero_shot_figures


def test_zero_shot_figures_are_those_counted_by_hand() -> None:
    classes = torch.eye(6)
    images = torch.tensor([[9, 1, 0, 0, 0, 0], [0, 1, 9, 0, 0, 0], [0, 0, 1, 2, 3, 4], [1, 2, 3, 4, 5, 0.0]])
    labels = torch.tensor([0, 1, 2, 5])
    figures = zero_shot_figures(images, labels, classes)
    assert figures["top1"] == 0.25
    assert figures["top5"] == 0.75
    assert figures["mean_class_recall"] == 0.25
    assert figures["chance"] == pytest.approx(1 / 6)
    assert figures["top1_low"] < 0.25 < figures["top1_high"]
    assert figures["top5_chance"] == pytest.approx(5 / 6)
    assert figures["mean_class_recall_low"] < 0.25 < figures["mean_class_recall_high"]
    assert "top5" not in zero_shot_figures(images[:, :3], labels.clamp(max=2), torch.eye(3))


def test_a_class_of_equal_similarity_ranks_before_the_own_one() -> None:
    classes = torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0]])
    figures = zero_shot_figures(torch.tensor([[1.0, 0], [0, 1.0]]), torch.tensor([0, 2]), classes)
    assert figures["top1"] == 0.5


def test_probabilities_are_the_softmax_of_scaled_cosines_over_blocks_of_rows() -> None:
    random = np.random.default_rng(0)
    images, classes = random.normal(size=(2500, 4)), random.normal(size=(7, 4))
    labels = random.integers(0, 7, 2500)
    found = rank_classes(torch.tensor(images).float(), torch.tensor(classes).float(), torch.tensor(labels), 3.0)
    scores = images @ classes.T
    shares = np.exp(3 * scores) / np.exp(3 * scores).sum(1, keepdims=True)
    order = np.argsort(-scores, 1)
    assert (found.best.numpy() == order[:, :5]).all()
    np.testing.assert_allclose(found.probabilities, np.take_along_axis(shares, order[:, :5], 1), rtol=1e-4)
    assert found.ranks is not None
    assert (found.ranks.numpy() == (order == labels[:, None]).argmax(1)).all()


def average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of the precision at each positive, in the order of the scores: (N,), (N,) of 0 or 1."""
    ranked = labels[np.argsort(-scores)]
    places = np.flatnonzero(ranked)
    return float(np.mean([(n + 1) / (place + 1) for n, place in enumerate(places)]))


def test_the_mean_average_precision_is_that_of_the_formula() -> None:
    random = np.random.default_rng(1)
    scores, labels = random.normal(size=(50, 6)), (random.random((50, 6)) < 0.2).astype(np.int64)
    labels[:, 5] = 0
    found = dict(precision_figures(torch.tensor(scores), torch.tensor(labels)))
    each = [average_precision(scores[:, place], labels[:, place]) for place in range(5)]
    assert found["mean_average_precision"] == pytest.approx(np.mean(each))
    assert found["mean_average_precision_low"] < np.mean(each) < found["mean_average_precision_high"]
    assert found["mean_average_precision_chance"] == pytest.approx(labels[:, :5].mean())


def test_equal_scores_count_against_the_images_with_a_class() -> None:
    found = dict(precision_figures(torch.ones(4, 1), torch.tensor([[1], [0], [0], [1]])))
    assert found["mean_average_precision"] == pytest.approx((1 / 3 + 2 / 4) / 2)
