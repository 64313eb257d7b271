"""The weighted sum over datasets: several backward passes give the gradient of the summed loss."""

from typing import Any

import pytest
import torch
from torch import nn

from corpusloom.trainers.flamingo.evaluate import right_against_wrong
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.objective import LanguageObjective, targets_of, token_loss
from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.task import StepContext
from tests.trainers.flamingo.test_model import SHAPE, Eyes, open_gates
from tests.trainers.lm.tiny import tiny

CONTEXT = StepContext(step=0, config=TrainConfig(steps=1, batch_size=1, lr=1.0), device=torch.device("cpu"))


def fresh() -> Flamingo:
    """Return a Flamingo with open gates."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Flamingo(SHAPE, Eyes(), tiny(n_layer=2))
    open_gates(model)
    return model


def batch(seed: int, length: int) -> dict[str, Any]:
    """Return one dataset's batch."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "keys": ["a", "b"],
        "images": torch.randint(0, 256, (2, 1, 1, 3, 8, 8), dtype=torch.uint8, generator=generator),
        "tokens": torch.randint(0, 50, (2, length), generator=generator),
        "phi": torch.ones(2, length, dtype=torch.long),
        "counted": torch.ones(2, length, dtype=torch.bool),
    }


def test_the_loss_sums_over_tokens_and_leaves_padding_out() -> None:
    logits, tokens = torch.randn(2, 4, 9), torch.randint(0, 9, (2, 4))
    counted = torch.tensor([[True, True, True, False], [True, True, True, True]])
    summed = token_loss(logits, targets_of(tokens, counted))
    taken = logits.log_softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    expected = -(taken * counted[:, 1:]).sum()
    assert torch.allclose(summed, expected)


def test_losses_one_after_another_have_the_gradient_of_their_weighted_sum() -> None:
    batches = {"m3w": batch(1, 12), "align": batch(2, 7)}
    objective = LanguageObjective({"m3w": 1.0, "align": 0.2}, per_token=False)
    one = fresh()
    assert objective.counts(batches) == {"m3w": 2, "align": 2}
    for loss in objective.losses(one, batches, objective.counts(batches), CONTEXT):
        loss.value.backward()
    two = fresh()
    sum(loss.value for loss in objective.losses(two, batches, objective.counts(batches), CONTEXT)).backward()  # type: ignore[union-attr]
    for (name, first), (_, second) in zip(one.named_parameters(), two.named_parameters(), strict=True):
        if first.grad is not None:
            assert torch.allclose(first.grad, second.grad, rtol=1e-5, atol=1e-7), name


def test_a_flamingo_learns_to_tell_texts_apart_by_their_images() -> None:
    model = fresh()
    nn.init.normal_(model.language.embedding.weight)  # embeddings that differ, since the head is tied to them
    given = batch(3, 6)
    given["tokens"][:] = torch.tensor([[1, 2, 3, 4, 5, 6], [1, 2, 7, 8, 9, 10]])
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    objective = LanguageObjective({"a": 1.0})
    for _ in range(120):
        (loss,) = objective.losses(model, {"a": given}, objective.counts({"a": given}), CONTEXT)
        optimizer.zero_grad()
        loss.value.backward()
        optimizer.step()
    assert loss.value.item() < 1.0
    assert max(block.attention_gate.abs().item() for block in model.gated) > 0


def test_the_share_of_right_images_has_a_confidence_interval() -> None:
    scores = torch.tensor([[1.0, 0.0]] * 9 + [[0.0, 1.0]])
    figures = dict(right_against_wrong(scores))
    assert figures["right_image_likelier"] == pytest.approx(0.9)
    assert figures["right_image_likelier_low"] < 0.9 < figures["right_image_likelier_high"]
