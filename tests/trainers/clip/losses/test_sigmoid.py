"""The sigmoid loss against the paper's formula, in blocks; test_rank_matrix tests it over ranks."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.clip.losses import sigmoid
from corpusloom.trainers.clip.losses.sigmoid import sigmoid_loss
from tests.trainers.clip.losses.features import B, features


def test_the_sigmoid_loss_is_that_of_the_papers_algorithm_1() -> None:
    image, text = (side.double().numpy() for side in features())
    logits = 7.0 * image @ text.T - 3.0
    signs = 2 * np.eye(B) - 1
    expected = np.log1p(np.exp(-signs * logits)).sum() / B
    got = sigmoid_loss(*features(), torch.tensor([np.log(7.0)], dtype=torch.float32), torch.tensor([-3.0]))
    assert got.item() / B == pytest.approx(expected, abs=1e-5)


def whole_loss(image: Tensor, text: Tensor, logit_scale: Tensor, logit_bias: Tensor) -> Tensor:
    logits = logit_scale.exp() * image @ text.T + logit_bias
    return -F.logsigmoid((2 * torch.eye(len(image), dtype=image.dtype) - 1) * logits).sum()


@pytest.mark.parametrize("logits", [1, 13, 1 << 22], ids=["one row", "two rows", "all rows"])
def test_blocks_of_rows_have_the_loss_and_the_gradients_of_the_whole(
    logits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sigmoid, "LOGITS_PER_BLOCK", logits)
    inputs = [*(side.double() for side in features()), torch.tensor([1.3]).double(), torch.tensor([-2.0]).double()]
    for value in inputs:
        value.requires_grad_()
    found, expected = sigmoid_loss(*inputs), whole_loss(*inputs)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    gradients = zip(*(torch.autograd.grad(loss / 3, inputs) for loss in (found, expected)), strict=True)
    for one, other in gradients:
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)


def test_no_block_holds_more_logits_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sigmoid, "LOGITS_PER_BLOCK", 2 * B)
    sizes = []
    logsigmoid = F.logsigmoid
    monkeypatch.setattr(sigmoid.F, "logsigmoid", lambda logits: sizes.append(logits.numel()) or logsigmoid(logits))
    sigmoid_loss(*features(), torch.zeros(1), torch.zeros(1))
    assert sizes == [2 * B] * (B // 2)
