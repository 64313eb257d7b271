"""The weighted sum over datasets: several backward passes give the gradient of the summed loss."""

from typing import Any

import pytest
import torch
from torch import nn

from corpusloom.schemas.errors import LoomError
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.objective import LanguageObjective, targets_of, token_loss
from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.loop import train
from corpusloom.trainers.training.task import StepContext, TrainingTask
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


class Repeated:
    """An endless stream of one batch."""

    def __init__(self, batch: dict[str, Any]) -> None:
        self.batch = batch

    def __next__(self) -> dict[str, Any]:
        return self.batch

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


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


def test_the_gradient_of_a_step_is_that_of_equation_2() -> None:
    """The sum over datasets of lambda times the mean over sequences of the summed negative log likelihood."""
    batches, lambdas = {"m3w": batch(1, 12), "align": batch(2, 7)}, {"m3w": 1.0, "align": 0.2}
    batches["m3w"]["counted"][0, 9:] = False
    objective, model = LanguageObjective(lambdas, per_token=False), fresh()
    for loss in objective.losses(model, batches, objective.counts(batches), CONTEXT):
        loss.value.backward()
    plain, total = fresh(), torch.zeros(())
    for name, given in batches.items():
        for row in range(2):
            length = int(given["counted"][row].sum())
            visual = plain.encode_images(given["images"][row : row + 1])
            logits = plain(given["tokens"][row : row + 1], visual, given["phi"][row : row + 1])[0]
            for place in range(length - 1):
                taken = logits[place].log_softmax(0)[given["tokens"][row, place + 1]]
                total = total - lambdas[name] * taken / 2
    total.backward()
    trained = [
        (p.grad, q.grad) for p, q in zip(model.parameters(), plain.parameters(), strict=True) if q.grad is not None
    ]
    assert len(trained) > 20
    for found, expected in trained:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_step_may_have_some_of_the_datasets() -> None:
    objective, batches = LanguageObjective({"m3w": 1.0, "align": 0.2}), {"align": batch(2, 7)}
    assert objective.counts(batches) == {"align": 12}
    (loss,) = objective.losses(fresh(), batches, {"align": 12}, CONTEXT)
    assert set(loss.metrics) == {"align/nats_per_token", "align/nats_per_sequence"}


def test_an_image_whose_features_are_not_finite_is_named_by_its_sample() -> None:
    model, given = fresh(), {**batch(1, 12), "images": torch.zeros(2, 2, 1, 3, 8, 8, dtype=torch.uint8)}
    given["images"][1, 1, 0, :, 0, 0] = 255
    assert list(LanguageObjective({"m3w": 1.0}).causes(model, {"m3w": given})) == []
    encode = model.vision.grid
    model.vision.grid = lambda images: encode(images).masked_fill(
        (images == 255).flatten(1).any(1)[:, None, None], torch.nan
    )
    objective = LanguageObjective({"m3w": 1.0})
    task = TrainingTask(model=model, skeleton=fresh, objective=objective, stream=Repeated({"m3w": given}), example=dict)
    with pytest.raises(LoomError, match="the features of image 2 of b in m3w are not finite"):
        train(task, TrainConfig(steps=2, batch_size=2, lr=1e-3, max_skipped_steps=1))


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
