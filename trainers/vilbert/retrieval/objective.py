"""The loss of the fine-tuning for retrieval: one of four pairs is the right one (arXiv 1908.02265, section 3.2).

The four are the image with its caption, with a random caption, with a hard caption, and another image with the caption.
Unlike in the paper no wrong caption is one of the image's own. Random captions and images are those of other rows of
all data ranks; the draws come from the samples, so a step does not depend on how its samples are divided among ranks.

Shapes: B rows of this rank, N rows of all data ranks, T tokens, R regions with IMG first.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.batches import counted_rows
from corpusloom.trainers.training.numerics import at_least_float32
from corpusloom.trainers.training.task import Loss, StepContext
from corpusloom.trainers.vilbert.model.blocks import Pairs
from corpusloom.trainers.vilbert.objective import without_padding

CHOICES = 4
CAPTION, IMAGE = ("tokens", "token_mask"), ("features", "locations", "region_mask")
"""Arrays of a batch that belong to the caption, and to the image."""


def choose(possible: Tensor, draws: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Return per row one of the rows that are possible, and whether there is one: (B, N) bool -> (B,), (B,) bool.

    The rows have random places (N,) on a circle of circumference 1. A row takes the first possible one from its draw
    (B,) on. Draws and places are the rows' own, so the choice does not depend on the order of the rows.
    """
    distance = (places[None] - draws[:, None]).remainder(1.0)
    return distance.masked_fill(~possible, 2.0).argmin(1), possible.any(1)


def four_way_losses(scores: Tensor, counts: Tensor) -> Tensor:
    """Return the cross-entropy of the first pair among those that count, (B, 4), (B, 4) bool -> (B,)."""
    return scores.masked_fill(~counts, -torch.inf).logsumexp(1) - scores[:, 0]


class RetrievalObjective:
    """One loss per step, the mean over its captions. Texts are encoded once up to the first connection."""

    def prepare(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the captions and images that this rank needs, each once, and the four pairs of each row.

        "captions" and "caption_mask" are (C, T), "features", "locations" and "region_mask" (I, R, ...). "texts" and
        "images" (B, 4) are the numbers of each pair's caption and image, the right ones first, and "counts" (B, 4) says
        which pairs there are: in a step of one row, or of one image alone, only the right and the hard one.
        """
        rows = counted_rows(batch)
        row_counts = collectives.row_counts(rows)
        start = sum(row_counts[: distributed.data_rank()])
        everywhere = {name: collectives.all_gather(batch[name][:rows], row_counts) for name in (*CAPTION, *IMAGE)}
        numbers = collectives.all_gather(batch["image"][:rows], row_counts)
        draws = collectives.all_gather(batch["draws"][:rows], row_counts)
        if not rows:
            return _without_rows(batch)
        own = torch.arange(start, start + rows, device=numbers.device)
        tokens = everywhere["tokens"]
        possible = (numbers[own, None] != numbers) & (tokens[own, None] != tokens).any(2)
        caption, some = choose(possible, draws[own, 0], draws[:, 2])
        image, _ = choose(possible, draws[own, 1], draws[:, 3])
        captions, texts = torch.stack([own, caption], 1).unique(return_inverse=True)
        pictures, images = torch.stack([own, image], 1).unique(return_inverse=True)
        hard = len(captions) + torch.arange(rows, device=own.device)
        return {
            "keys": batch["keys"],
            "captions": torch.cat([tokens[captions], batch["hard_tokens"][:rows]]),
            "caption_mask": torch.cat([everywhere["token_mask"][captions], batch["hard_mask"][:rows]]),
            **{name: everywhere[name][pictures] for name in IMAGE},
            "texts": torch.stack([texts[:, 0], texts[:, 1], texts[:, 0], hard], 1),
            "images": torch.stack([images[:, 0], images[:, 0], images[:, 1], images[:, 0]], 1),
            "counts": torch.stack([torch.ones_like(some), some, some, batch["has_hard"][:rows]], 1),
        }

    def counts(self, batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the number of captions."""
        return {"captions": counted_rows(batch)}

    def losses(
        self, model: nn.Module, batch: Mapping[str, Any], totals: Mapping[str, float], context: StepContext
    ) -> Iterator[Loss]:
        """Yield the loss of a batch."""
        rows, dtype = counted_rows(batch), next(model.parameters()).dtype
        tokens, mask = without_padding(batch["captions"], batch["caption_mask"])
        text = model.encode_text(tokens, mask)  # type: ignore[operator]
        visual = batch["features"].to(dtype), batch["locations"].to(dtype), batch["region_mask"]
        image = model.encode_image(*visual)  # type: ignore[operator]
        pairs = Pairs(batch["texts"].flatten(), batch["images"].flatten())
        found = model.score(text, mask, image, batch["region_mask"], pairs)  # type: ignore[operator]
        scores, counts = at_least_float32(found).view(-1, CHOICES)[:rows], batch["counts"][:rows]
        losses = four_way_losses(scores, counts)
        right = ((scores[:, 1:] < scores[:, :1]) | ~counts[:, 1:]).all(1)
        metrics = {"task_loss": (losses.detach().sum(), rows), "right": (right.sum(), rows)}
        yield Loss(losses.sum() / max(totals["captions"], 1), metrics)


def _without_rows(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the four pairs of a batch in which no row counts: the forward pass runs all the same."""
    first = torch.zeros(1, CHOICES, dtype=torch.int64, device=batch["tokens"].device)
    captions = {"captions": batch["tokens"], "caption_mask": batch["token_mask"]}
    pairs = {"texts": first, "images": first, "counts": first == 0}
    return {"keys": [], **captions, **{name: batch[name] for name in IMAGE}, **pairs}
