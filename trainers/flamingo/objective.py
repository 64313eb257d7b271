"""Flamingo's objective (arXiv 2204.14198, equation 2): a weighted sum over datasets, with one update per step."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from corpusloom.trainers.lm.objective import IGNORE, summed_loss
from corpusloom.trainers.training.batches import counted_rows
from corpusloom.trainers.training.task import Loss, StepContext, Sum


def targets_of(tokens: Tensor, counted: Tensor) -> Tensor:
    """Return the token to predict at each position but the last, (B, L), bool (B, L) -> (B, L - 1).

    It is IGNORE where the next token does not count.
    """
    return tokens[:, 1:].masked_fill(~counted[:, 1:], IGNORE)


def token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the summed negative log likelihood of the targets: (B, L, V), (B, L - 1) -> ()."""
    return summed_loss(logits[:, :-1], targets)


class LanguageObjective:
    """The losses over one batch per dataset (name -> tensors), all of them or some: one weighted loss for each.

    Equation 2 sums over the tokens of a sequence. `per_token` divides this sum by the number of counted tokens of the
    step instead of its number of sequences, so that the learning rate does not depend on the length; both values are
    reported.
    """

    def __init__(self, weights: Mapping[str, float], *, per_token: bool = True) -> None:
        self.weights, self.per_token = dict(weights), per_token

    def prepare(self, batches: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
        """Return the batches as they are."""
        return batches

    def counts(self, batches: Mapping[str, Mapping[str, Any]]) -> dict[str, Tensor | float]:
        """Return the number of predicted tokens, or of sequences, of each dataset in the step."""
        if not self.per_token:
            return {name: counted_rows(batches[name]) for name in batches}
        return {name: (self._targets(batches[name]) != IGNORE).sum() for name in batches}

    def losses(
        self,
        model: nn.Module,
        batches: Mapping[str, Mapping[str, Any]],
        totals: Mapping[str, float],
        context: StepContext,
    ) -> Iterator[Loss]:
        """Yield one loss per dataset in the step."""
        for name, batch in batches.items():
            visual = model.encode_images(batch["images"])  # type: ignore[operator]
            logits = model(batch["tokens"], visual, batch["phi"])
            targets = self._targets(batch)
            summed, rows = token_loss(logits[: len(targets)], targets), float(len(targets))
            measured: dict[str, Sum] = {
                f"{name}/nats_per_token": (summed, (targets != IGNORE).sum()),
                f"{name}/nats_per_sequence": (summed, rows),
            }
            yield Loss(self.weights[name] * summed / max(totals[name], 1), measured)

    @torch.no_grad()
    def causes(self, model: nn.Module, batches: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield one text per image whose features are not finite."""
        for name, batch in batches.items():
            finite = model.finite_images(batch["images"])[: counted_rows(batch)]  # type: ignore[operator]
            for row, image in (~finite).nonzero().tolist():
                yield f"the features of image {image + 1} of {batch['keys'][row]} in {name} are not finite"

    def _targets(self, batch: Mapping[str, Any]) -> Tensor:
        rows = counted_rows(batch)
        return targets_of(batch["tokens"][:rows], batch["counted"][:rows])
