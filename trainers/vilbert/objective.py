"""ViLBERT's pre-training losses (arXiv 1908.02265, section 2.2): masked words, masked regions, alignment."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.loop import Loss, StepContext, no_loss
from corpusloom.trainers.vilbert.config import ObjectiveConfig
from corpusloom.trainers.vilbert.model import ViLBERT

IGNORE = -1
MEASURED = ("words", "regions", "alignment", "aligned_right")


def masked_word_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy over masked tokens, (N, vocabulary), (N,) -> (); 0 without tokens."""
    return F.cross_entropy(logits, labels, reduction="sum") / max(len(labels), 1)


def masked_region_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return KL(detector || prediction), summed over classes, mean over masked regions, (N, C), (N, C) -> ()."""
    return F.kl_div(F.log_softmax(logits, -1), targets, reduction="sum") / max(len(targets), 1)


def mismatch(texts: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return per row the row whose caption it gets, and 0 (aligned) or 1 (mismatched): (B, T) -> (B,), (B,).

    A row stays aligned if the other image's caption has the same text.
    """
    rows = torch.arange(len(texts), device=texts.device)
    chosen = torch.rand(len(texts), device=texts.device) < share
    shift = int(torch.randint(1, max(len(texts), 2), ()))
    others = (rows + shift) % len(texts)
    differs = (texts != texts[others]).any(1)
    replaced = chosen & differs
    return torch.where(replaced, others, rows), replaced.long()


def make_objective(config: ObjectiveConfig) -> Any:
    """Return the objective: one loss per step, the weighted sum of the three terms."""

    def objective(model: ViLBERT, batch: dict[str, Tensor], context: StepContext) -> Iterator[Loss]:
        rows = distributed.row_counts(len(batch["original"]))
        if not len(batch["original"]):
            yield no_loss(MEASURED, context.device)
            return
        source, label = mismatch(batch["original"], config.negatives)
        outputs = model(
            batch["tokens"][source],
            batch["token_mask"][source],
            batch["features"].float(),
            batch["locations"],
            batch["region_mask"],
        )
        counted = torch.ones_like(label, dtype=torch.bool) if config.masked_on_negatives else label == 0
        words = batch["word_labels"][source]
        where = (words != IGNORE) & counted[:, None]
        word = masked_word_loss(model.predict_words(outputs.text[where]), words[where])
        masked = batch["masked_regions"] & counted[:, None]
        targets = batch["class_probs"][masked].float()
        region = masked_region_loss(model.predict_regions(outputs.image[:, 1:][masked]), targets)
        alignment = F.cross_entropy(outputs.alignment, label)
        total = config.word_weight * word + config.region_weight * region + config.alignment_weight * alignment
        accuracy = (outputs.alignment.argmax(1) == label).float().mean()
        measured = dict(zip(MEASURED, (word, region, alignment, accuracy), strict=True))
        yield Loss(distributed.row_weight(rows) * total, measured)

    return objective
