"""Figures of classification against small cases counted by hand."""

import numpy as np
import pytest
import torch

from corpusloom.trainers.clip.zero_shot.figures import rank_classes
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
