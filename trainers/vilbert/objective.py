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
from corpusloom.trainers.vilbert.negatives import mismatch, other_rows

IGNORE = -1
CAPTION = ("original", "tokens", "token_mask", "word_labels")
"""Arrays of a batch that belong to the caption: a mismatched image gets those of another row."""


def masked_word_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the summed cross-entropy of masked tokens, (N, vocabulary), (N,) -> (); 0 without tokens."""
    return F.cross_entropy(at_least_float32(logits), labels, reduction="sum")


def masked_region_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return KL(detector || prediction), summed over classes and masked regions, (N, C), (N, C) -> ()."""
    return F.kl_div(F.log_softmax(at_least_float32(logits), -1), targets, reduction="sum")


def weighted_alignment_loss(scores: Tensor, wrong: Tensor, share: float) -> Tensor:
    """Return the summed two-way logistic loss, (B, 1 + k, 2), (B, k) -> (); an image's first caption is its own.

    Of each image's weight 1 the wrong captions have `share` together, as in the paper's objective on average.
    """
    logs = F.log_softmax(scores, -1)
    aligned = -logs[:, 0, 0]
    mismatched = -torch.where(wrong, logs[:, 1:, 1], 0.0).sum(1) / wrong.sum(1).clamp_min(1)
    return ((1 - share) * aligned + share * mismatched).sum()


def softmax_alignment_loss(scores: Tensor, wrong: Tensor) -> Tensor:
    """Return the summed cross-entropy of an image's own caption among all its captions, (B, 1 + k, 2), (B, k) -> ().

    A caption's score is the difference of its two logits; captions with the text of the own one do not count.
    """
    margins = scores[..., 0] - scores[..., 1]
    others = margins[:, 1:].masked_fill(~wrong, -torch.inf)
    return (torch.cat([margins[:, :1], others], 1).logsumexp(1) - margins[:, 0]).sum()


class PretrainingObjective:
    """One loss per step, the weighted sum of the terms, each divided by its own number of items.

    With `softmax_negatives` = k each image is joined with its own caption and k others. Each of the streams is encoded
    once up to the first connection, and the masked losses count on the aligned pairs alone. Without, some images get
    another caption instead of their own, as in the paper.
    """

    def __init__(self, config: ObjectiveConfig) -> None:
        self.config = config

    def prepare(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the batch with captions of other rows of all data ranks.

        Without `softmax_negatives` the captions of mismatched rows are replaced, and "mismatched" (B,) is added. With k
        of them "captions" and "caption_mask" are the captions that this rank needs, "chosen" (B, 1 + k) their numbers
        per row, its own first, and "wrong" (B, k) says which of the others have another text.
        """
        rows = counted_rows(batch)
        counts = collectives.row_counts(rows)
        start = sum(counts[: distributed.data_rank()])
        captions = {name: collectives.all_gather(batch[name][:rows], counts) for name in CAPTION}
        draws = collectives.all_gather(batch["negative"][:rows], counts)
        own = slice(start, start + rows)
        if self.config.softmax_negatives:
            others, wrong = other_rows(captions["original"], draws, self.config.softmax_negatives)
            return {**batch, **_chosen(batch, captions, others[own], wrong[own], start)}
        source, label = mismatch(captions["original"], draws, self.config.negatives)
        taken = {name: values[source[own]] if rows else batch[name] for name, values in captions.items()}
        return {**batch, **taken, "mismatched": label[own]}

    def counts(self, batch: Mapping[str, Any]) -> dict[str, Tensor | float]:
        """Return the numbers of masked words, masked regions and pairs."""
        words, regions = self._masked(batch)
        return {"words": words.sum(), "regions": regions.sum(), "pairs": counted_rows(batch)}

    def _masked(self, batch: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """Return where words and regions are predicted, (B, T) and (B, R), in the rows that count."""
        rows = counted_rows(batch)
        words, regions = batch["word_labels"][:rows] != IGNORE, batch["masked_regions"][:rows]
        if self.config.softmax_negatives or self.config.masked_on_negatives:
            return words, regions
        aligned = (batch["mismatched"] == 0)[:, None]
        return words & aligned, regions & aligned

    def losses(
        self, model: nn.Module, batch: Mapping[str, Any], totals: Mapping[str, float], context: StepContext
    ) -> Iterator[Loss]:
        """Yield the loss of a batch."""
        rows = counted_rows(batch)
        words, regions = self._masked(batch)
        text, image, scores = self._forward(model, batch)
        masked_text, masked_image = text[words.nonzero(as_tuple=True)], image[regions.nonzero(as_tuple=True)]
        word = masked_word_loss(model.predict_words(masked_text), batch["word_labels"][:rows][words])  # type: ignore[operator]
        predicted = model.predict_regions(masked_image)  # type: ignore[operator]
        targets = batch["class_probs"][:rows][regions].to(at_least_float32(predicted).dtype)
        terms = {"words": word, "regions": masked_region_loss(predicted, targets)}
        if self.config.softmax_negatives:
            wrong = batch["wrong"]
            terms["alignment"] = weighted_alignment_loss(scores, wrong, self.config.negatives)
            terms["softmax"] = softmax_alignment_loss(scores, wrong)
            margins = scores[..., 0] - scores[..., 1]
            right = ((margins[:, 1:] < margins[:, :1]) | ~wrong).all(1).sum()
        else:
            terms["alignment"] = F.cross_entropy(scores, batch["mismatched"], reduction="sum")
            right = (scores.argmax(1) == batch["mismatched"]).sum()
        weights = {"words": self.config.word_weight, "regions": self.config.region_weight}
        weights |= {"alignment": self.config.alignment_weight, "softmax": self.config.softmax_weight}
        divisors = {"words": totals["words"], "regions": totals["regions"]}
        value = sum(weights[name] * term / max(divisors.get(name, totals["pairs"]), 1) for name, term in terms.items())
        assert isinstance(value, Tensor)
        own = {"words": words.sum(), "regions": regions.sum()}
        yield Loss(
            value,
            {name: (term, own.get(name, rows)) for name, term in terms.items()} | {"aligned_right": (right, rows)},
        )

    def _forward(self, model: nn.Module, batch: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """Return both streams of the rows that count, without IMG, and their alignment logits.

        The logits are (B, 2), or (B, 1 + k, 2) with `softmax_negatives`.
        """
        rows = counted_rows(batch)
        visual = (batch["features"].to(_type_of(model)), batch["locations"].to(_type_of(model)), batch["region_mask"])
        if not self.config.softmax_negatives:
            outputs = model(*without_padding(batch["tokens"], batch["token_mask"]), *visual)
            return outputs.text[:rows], outputs.image[:rows, 1:], at_least_float32(outputs.alignment[:rows])
        chosen = batch["chosen"]
        per_image = chosen.shape[1]
        captions, caption_mask = without_padding(batch["captions"], batch["caption_mask"])
        text = model.encode_text(captions, caption_mask)  # type: ignore[operator]
        image = model.encode_image(*visual)  # type: ignore[operator]
        outputs = model.join(  # type: ignore[operator]
            text[chosen.flatten()],
            caption_mask[chosen.flatten()],
            image.repeat_interleave(per_image, 0),
            batch["region_mask"].repeat_interleave(per_image, 0),
        )
        scores = at_least_float32(outputs.alignment).unflatten(0, (-1, per_image))
        return outputs.text[::per_image][:rows], outputs.image[::per_image][:rows, 1:], scores[:rows]


def _chosen(
    batch: Mapping[str, Any], captions: Mapping[str, Tensor], others: Tensor, wrong: Tensor, start: int
) -> dict[str, Tensor]:
    """Return the captions that the rows of this rank need, once each, and which of them each row needs."""
    if not len(others):  # no row counts, but the forward pass must run: each row has its own caption
        own = torch.arange(len(batch["tokens"]), device=wrong.device)[:, None].expand(-1, 1 + others.shape[1])
        return {"captions": batch["tokens"], "caption_mask": batch["token_mask"], "chosen": own, "wrong": wrong}
    own = torch.arange(start, start + len(others), device=others.device)[:, None]
    needed, chosen = torch.cat([own, others], 1).unique(return_inverse=True)
    tokens, mask = captions["tokens"][needed], captions["token_mask"][needed]
    return {"captions": tokens, "caption_mask": mask, "chosen": chosen, "wrong": wrong}


def without_padding(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return tokens and their mask without the last columns that are padding in all rows, (..., T) each.

    Conceptual Captions' captions have 10.3 words on average and are padded to 36 tokens.
    """
    used = mask.flatten(0, -2).any(0).nonzero()
    width = int(used.max()) + 1 if len(used) else 1
    return tokens[..., :width], mask[..., :width]


def _type_of(model: nn.Module) -> torch.dtype:
    """Return the type of a model's weights; features are stored as float16."""
    return next(model.parameters()).dtype
