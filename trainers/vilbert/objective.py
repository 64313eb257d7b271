"""ViLBERT's pre-training losses (arXiv 1908.02265, section 2.2): masked words, masked regions, alignment.

Shapes: B rows of this rank, N rows of all data ranks, T tokens. All random draws come from the samples, so a step does
not depend on how its samples are divided among ranks.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.batches import counted_rows
from corpusloom.trainers.training.numerics import at_least_float32
from corpusloom.trainers.training.task import Loss, StepContext
from corpusloom.trainers.vilbert.config import ObjectiveConfig

IGNORE = -1
CAPTION = ("original", "tokens", "token_mask", "word_labels")
"""Arrays of a batch that belong to the caption: a mismatched image gets those of another row."""


def masked_word_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the summed cross-entropy of masked tokens, (N, vocabulary), (N,) -> (); 0 without tokens."""
    return F.cross_entropy(at_least_float32(logits), labels, reduction="sum")


def masked_region_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return KL(detector || prediction), summed over classes and masked regions, (N, C), (N, C) -> ()."""
    return F.kl_div(F.log_softmax(at_least_float32(logits), -1), targets, reduction="sum")


def mismatch(texts: Tensor, draws: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return per row the row whose caption it gets, and 0 (aligned) or 1 (mismatched): (N, T), (N, 3) -> (N,), (N,).

    Of each row's three draws in 0..1 the first says whether it gets another caption, the second which one, and the
    third gives its place in the order in which the others are counted. A row stays aligned if the other image's caption
    has the same text.
    """
    count = len(texts)
    rows = torch.arange(count, device=texts.device)
    if count < 2:
        return rows, torch.zeros_like(rows)
    order = draws[:, 2].argsort(stable=True)
    place = torch.empty_like(order).scatter_(0, order, rows)
    shift = 1 + (draws[:, 1] * (count - 1)).long().clamp(max=count - 2)
    others = order[(place + shift) % count]
    replaced = (draws[:, 0] < share) & (texts != texts[others]).any(1)
    return torch.where(replaced, others, rows), replaced.long()


class PretrainingObjective:
    """One loss per step, the weighted sum of the three terms, each divided by its own number of items."""

    def __init__(self, config: ObjectiveConfig) -> None:
        self.config = config

    def prepare(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the batch with the captions of mismatched rows, from all data ranks, and with "mismatched" (B,)."""
        rows = counted_rows(batch)
        counts = collectives.row_counts(rows)
        start = sum(counts[: distributed.data_rank()])
        captions = {name: collectives.all_gather(batch[name][:rows], counts) for name in CAPTION}
        draws = collectives.all_gather(batch["negative"][:rows], counts)
        source, label = mismatch(captions["original"], draws, self.config.negatives)
        own = source[start : start + rows]
        taken = {name: values[own] if rows else batch[name] for name, values in captions.items()}
        return {**batch, **taken, "mismatched": label[start : start + rows]}

    def counts(self, batch: Mapping[str, Any]) -> dict[str, Tensor | float]:
        """Return the numbers of masked words, masked regions and pairs."""
        words, regions = self._masked(batch)
        return {"words": words.sum(), "regions": regions.sum(), "pairs": counted_rows(batch)}

    def _masked(self, batch: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """Return where words and regions are predicted, (B, T) and (B, R), in the rows that count."""
        rows = counted_rows(batch)
        label = batch["mismatched"]
        counted = torch.ones_like(label, dtype=torch.bool) if self.config.masked_on_negatives else label == 0
        words = (batch["word_labels"][:rows] != IGNORE) & counted[:, None]
        return words, batch["masked_regions"][:rows] & counted[:, None]

    def losses(
        self, model: nn.Module, batch: Mapping[str, Any], totals: Mapping[str, float], context: StepContext
    ) -> Iterator[Loss]:
        """Yield the loss of a batch."""
        rows, label = counted_rows(batch), batch["mismatched"]
        words, regions = self._masked(batch)
        outputs = model(
            batch["tokens"],
            batch["token_mask"],
            batch["features"].to(_type_of(model)),
            batch["locations"].to(_type_of(model)),
            batch["region_mask"],
        )
        text, image, alignment = outputs.text[:rows], outputs.image[:rows, 1:], outputs.alignment[:rows]
        masked_text, masked_image = text[words.nonzero(as_tuple=True)], image[regions.nonzero(as_tuple=True)]
        word = masked_word_loss(model.predict_words(masked_text), batch["word_labels"][:rows][words])  # type: ignore[operator]
        predicted = model.predict_regions(masked_image)  # type: ignore[operator]
        targets = batch["class_probs"][:rows][regions].to(at_least_float32(predicted).dtype)
        terms = {
            "words": word,
            "regions": masked_region_loss(predicted, targets),
            "pairs": F.cross_entropy(at_least_float32(alignment), label, reduction="sum"),
        }
        weights = {"words": self.config.word_weight, "regions": self.config.region_weight}
        weights |= {"pairs": self.config.alignment_weight}
        value = sum(weights[name] * terms[name] / max(totals[name], 1) for name in terms)
        assert isinstance(value, Tensor)
        right = (alignment.argmax(1) == label).sum()
        own = {"words": words.sum(), "regions": regions.sum(), "pairs": rows}
        named = {"words": "words", "regions": "regions", "pairs": "alignment"}
        yield Loss(value, {named[name]: (terms[name], own[name]) for name in terms} | {"aligned_right": (right, rows)})


def _type_of(model: nn.Module) -> torch.dtype:
    """Return the type of a model's weights; features are stored as float16."""
    return next(model.parameters()).dtype
