"""Flamingo's objective (arXiv 2204.14198, equation 2): a weighted sum over datasets, with one update per step."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.loop import Loss, StepContext, no_loss


def token_loss(logits: Tensor, tokens: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    """Return the negative log likelihood per sequence, and per token: (B, L, V), (B, L), bool (B, L) -> (), ().

    Only tokens where `counted` is true count; each is predicted from the tokens before it.
    """
    targets = tokens[:, 1:].masked_fill(~counted[:, 1:], -100)
    total = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), targets.flatten(), ignore_index=-100, reduction="sum")
    number = (targets != -100).sum().clamp(min=1)
    return total / len(tokens), total / number


def make_objective(weights: Mapping[str, float], *, per_token: bool = True) -> Any:
    """Return the objective over one batch per dataset (name -> tensors): one weighted loss per dataset and step.

    Equation 2 sums over the tokens of a sequence. `per_token` divides this sum by the mean number of counted tokens,
    so that the learning rate does not depend on the length; both values are reported.
    """

    def objective(model: Flamingo, batches: Mapping[str, Mapping[str, Tensor]], context: StepContext) -> Iterator[Loss]:
        for name, weight in weights.items():
            batch = batches[name]
            rows = distributed.row_counts(len(batch["tokens"]))
            measured = (f"{name}/nats_per_token", f"{name}/nats_per_sequence")
            if not len(batch["tokens"]):
                yield no_loss(measured, context.device)
                continue
            visual = model.encode_images(batch["images"])
            logits = model(batch["tokens"], visual, batch["phi"])
            summed, mean = token_loss(logits, batch["tokens"], batch["counted"])
            value = weight * distributed.row_weight(rows) * (mean if per_token else summed)
            yield Loss(value, dict(zip(measured, (mean, summed), strict=True)))

    return objective


def gates(model: Flamingo) -> Tensor:
    """Return tanh of each block's attention gate: the weight of the images in the language model."""
    return torch.stack([block.attention_gate.tanh()[0] for block in model.gated])  # type: ignore[operator]
