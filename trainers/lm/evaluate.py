"""Evaluation of a language model: the likelihood of texts that were not in training."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.figures import mean
from corpusloom.trainers.lm.data import windows
from corpusloom.trainers.lm.model import CausalLM


@torch.no_grad()
def losses_per_sequence(model: CausalLM, ids: np.ndarray, tokens: int, batch_size: int = 16) -> Tensor:
    """Return the mean negative log likelihood per token of each sequence that the ids are cut into, (N,)."""
    device = next(model.parameters()).device
    found = []
    for rows in windows(ids, range(0, len(ids) - tokens, tokens), tokens).split(batch_size):
        logits = model(rows[:, :-1].to(device)).float()
        losses = F.cross_entropy(logits.transpose(1, 2), rows[:, 1:].to(device), reduction="none")
        found.append(losses.mean(1).cpu())
    return torch.cat(found)


def likelihood(model: CausalLM, ids: np.ndarray, tokens: int) -> Iterator[tuple[str, float]]:
    """Yield nats per token with its interval over sequences, chance (equal odds for all ids), perplexity and n."""
    losses = losses_per_sequence(model, ids, tokens)
    yield from mean("nats_per_token", losses, math.log(model.vocab_size))
    yield "perplexity", math.exp(float(losses.mean()))
    yield "n", float(len(losses))
