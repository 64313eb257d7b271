"""The contrastive loss against the paper's formula."""

import numpy as np
import pytest
import torch

from corpusloom.trainers.clip.losses.softmax import contrastive_loss
from tests.trainers.clip.losses.features import B, features


def test_the_contrastive_loss_is_that_of_the_papers_figure_3() -> None:
    image, text = (side.double().numpy() for side in features())
    logits = 14.0 * image @ text.T
    rows = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    columns = logits - np.log(np.exp(logits).sum(0, keepdims=True))
    expected = -(np.diag(rows).mean() + np.diag(columns).mean()) / 2
    got = contrastive_loss(*features(), torch.tensor([np.log(14.0)], dtype=torch.float32))
    assert got.item() / B == pytest.approx(expected, abs=1e-5)
