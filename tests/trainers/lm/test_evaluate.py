"""The likelihood of held-out texts, against the library's own loss."""

import math

import numpy as np
import pytest
import torch

from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.lm.evaluate import likelihood, losses_per_sequence
from tests.trainers.lm.tiny import tiny


def test_the_loss_is_the_librarys_and_chance_is_equal_odds() -> None:
    torch.manual_seed(0)
    model, ids = tiny("llama"), np.random.default_rng(0).integers(0, 50, 41).astype(np.int32)
    losses = losses_per_sequence(model, ids, 8, EvaluationSettings(batch_size=2)).tensors["loss"]
    assert len(losses) == 5
    rows = torch.from_numpy(np.stack([ids[start : start + 9] for start in range(0, 40, 8)]).astype(np.int64))
    assert losses.mean().item() == pytest.approx(model.network(input_ids=rows, labels=rows).loss.item(), abs=1e-5)
    figures = dict(likelihood(losses, model.vocab_size))
    assert figures["nats_per_token"] == pytest.approx(losses.mean().item())
    assert figures["nats_per_token_low"] < figures["nats_per_token"] < figures["nats_per_token_high"]
    assert figures["nats_per_token_chance"] == math.log(50)
    assert figures["perplexity"] == pytest.approx(math.exp(figures["nats_per_token"]))
    assert figures["n"] == 5
