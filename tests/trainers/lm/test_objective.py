"""The loss of a language model: the library's own, as a sum divided by the tokens of the whole step."""

import pytest
import torch

from corpusloom.trainers.lm.objective import IGNORE, NextToken, summed_loss
from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.task import StepContext
from tests.trainers.lm.tiny import tiny

CONTEXT = StepContext(step=0, config=TrainConfig(steps=1, batch_size=1, lr=1.0), device=torch.device("cpu"))


def test_targets_that_are_ignored_count_nowhere() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(2, 3, 9), torch.randint(0, 9, (2, 3))
    targets[0, 2] = IGNORE
    taken = logits.log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    torch.testing.assert_close(summed_loss(logits, targets), -(taken * (targets != IGNORE)).sum())


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_loss_of_a_step_is_the_librarys(family: str) -> None:
    torch.manual_seed(0)
    model, objective, tokens = tiny(family), NextToken(), torch.randint(0, 50, (3, 9))
    batch = objective.prepare({"keys": ["a", "b", "c"], "tokens": tokens})
    assert objective.counts(batch) == {"tokens": 24.0}
    (loss,) = objective.losses(model, batch, {"tokens": 24.0}, CONTEXT)
    wanted = model.network(input_ids=tokens, labels=tokens).loss
    torch.testing.assert_close(loss.value, wanted, atol=1e-6, rtol=0)
    summed, number = loss.metrics["nats_per_token"]
    assert float(summed) / float(number) == pytest.approx(wanted.item(), abs=1e-5)


def test_parts_of_a_batch_add_up_to_the_batch_and_rows_without_a_key_count_nowhere() -> None:
    torch.manual_seed(0)
    model, objective, tokens = tiny(), NextToken(), torch.randint(0, 50, (3, 9))

    def value(keys: int, rows: torch.Tensor) -> torch.Tensor:
        batch = {"keys": ["k"] * keys, "tokens": rows}
        (loss,) = objective.losses(model, batch, {"tokens": 24.0}, CONTEXT)
        return loss.value

    whole = value(3, tokens)
    torch.testing.assert_close(value(2, tokens[:2]) + value(1, tokens[2:]), whole)
    torch.testing.assert_close(value(2, tokens), value(2, tokens[:2]))
    none = value(0, tokens[:1])
    assert none.item() == 0
    assert none.requires_grad
    assert objective.counts({"keys": [], "tokens": tokens[:1]}) == {"tokens": 0.0}
