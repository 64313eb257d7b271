"""The three losses: what counts, what is ignored, what no batch can break; and that a model learns from them."""

import torch
from torch.nn import functional as F

from tests.trainers.vilbert.test_model import TINY
from trainers.config import TrainConfig
from trainers.loop import StepContext
from trainers.vilbert.evaluation import retrieval, score_all
from trainers.vilbert.model import ViLBERT
from trainers.vilbert.objective import (
    IGNORE,
    ObjectiveConfig,
    make_objective,
    masked_region_loss,
    masked_word_loss,
    mismatch,
)

CONTEXT = StepContext(step=0, config=TrainConfig(steps=1, batch_size=1, lr=1.0), device=torch.device("cpu"))


def batch(size: int = 8) -> dict[str, torch.Tensor]:
    """Return a batch in which row i has its own caption and feature."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(5, 60, (size, 6), generator=generator)
    labels = torch.full((size, 6), IGNORE)
    labels[:, 2] = tokens[:, 2]
    masked = torch.zeros(size, 4, dtype=torch.bool)
    masked[:, 1] = True
    return {
        "original": tokens,
        "tokens": tokens,
        "token_mask": torch.ones(size, 6, dtype=torch.bool),
        "word_labels": labels,
        "features": torch.randn(size, 5, 20, generator=generator),
        "locations": torch.rand(size, 5, 5, generator=generator),
        "region_mask": torch.ones(size, 5, dtype=torch.bool),
        "masked_regions": masked,
        "class_probs": torch.rand(size, 4, 11, generator=generator).softmax(-1),
    }


def test_nothing_masked_is_no_loss_and_no_nan() -> None:
    assert masked_word_loss(torch.empty(0, 60), torch.empty(0, dtype=torch.long)) == 0
    assert masked_region_loss(torch.empty(0, 11), torch.empty(0, 11)) == 0


def test_the_region_loss_is_the_divergence_from_the_detector() -> None:
    logits, targets = torch.randn(3, 11), torch.rand(3, 11).softmax(-1)
    expected = (targets * (targets.log() - F.log_softmax(logits, -1))).sum(1).mean()
    assert torch.allclose(masked_region_loss(logits, targets), expected, atol=1e-6)
    assert masked_region_loss(targets.log(), targets).abs() < 1e-6


def test_a_negative_is_never_the_images_own_caption() -> None:
    torch.manual_seed(0)
    texts = torch.tensor([[1, 2], [1, 2], [3, 4], [1, 2]])
    for _ in range(50):
        source, label = mismatch(texts, 0.5)
        assert (label == (texts[source] != texts).any(1).long()).all()
    assert mismatch(texts, 0.0)[1].sum() == 0


def test_overfitting_a_few_pairs_ranks_each_image_first() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, given = ViLBERT(TINY), batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    objective = make_objective(ObjectiveConfig())
    losses = []
    for _ in range(160):
        (loss,) = objective(model, given, CONTEXT)
        optimizer.zero_grad()
        loss.value.backward()
        optimizer.step()
        losses.append(float(loss.value))
    assert losses[-1] < losses[0] / 3
    figures = dict(retrieval(score_all(model, given)))
    assert figures["r1"] >= 0.75
    assert figures["chance"] == 1 / 8
