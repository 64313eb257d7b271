"""The objective of a language model: negative log likelihood of each token, summed and divided by the step's tokens."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.training.batches import counted_rows
from corpusloom.trainers.training.numerics import at_least_float32
from corpusloom.trainers.training.task import Loss, StepContext

IGNORE = -100
"""Target that counts nowhere."""


def summed_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the summed negative log likelihood of the targets: (B, L, V), (B, L) -> ()."""
    flat = at_least_float32(logits).flatten(0, 1)
    return F.cross_entropy(flat, targets.flatten(), ignore_index=IGNORE, reduction="sum")


class NextToken:
    """The loss of a batch with "tokens" (B, L + 1): each token but the first, predicted from those before it."""

    def prepare(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the batch as it is."""
        return batch

    def counts(self, batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the number of predicted tokens."""
        return {"tokens": float(counted_rows(batch) * (batch["tokens"].shape[1] - 1))}

    def losses(
        self, model: nn.Module, batch: Mapping[str, Any], totals: Mapping[str, float], context: StepContext
    ) -> Iterator[Loss]:
        """Yield one loss."""
        tokens, rows = batch["tokens"], counted_rows(batch)
        summed = summed_loss(model(tokens[:, :-1])[:rows], tokens[:rows, 1:])
        number = torch.tensor(rows * (tokens.shape[1] - 1), device=tokens.device)
        yield Loss(summed / max(totals["tokens"], 1), {"nats_per_token": (summed.detach(), number)})
