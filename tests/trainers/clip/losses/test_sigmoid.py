"""The sigmoid loss against the paper's formula."""

import numpy as np
import pytest
import torch

from corpusloom.trainers.clip.losses.sigmoid import sigmoid_loss
from tests.trainers.clip.losses.features import B, features


def test_the_sigmoid_loss_is_that_of_the_papers_algorithm_1() -> None:
    image, text = (side.double().numpy() for side in features())
    logits = 7.0 * image @ text.T - 3.0
    signs = 2 * np.eye(B) - 1
    expected = np.log1p(np.exp(-signs * logits)).sum() / B
    got = sigmoid_loss(*features(), torch.tensor([np.log(7.0)], dtype=torch.float32), torch.tensor([-3.0]))
    assert got.item() / B == pytest.approx(expected, abs=1e-5)
