"""The objective of CLIP and SigLIP: the loss of a batch of pairs, whole or in chunks (GradCache)."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from corpusloom.trainers.clip.losses.pair_logits import nearest
from corpusloom.trainers.clip.losses.sigmoid import sigmoid_loss
from corpusloom.trainers.clip.losses.softmax import contrastive_loss
from corpusloom.trainers.clip.model import Embeddings
from corpusloom.trainers.training.batches import counted_rows
from corpusloom.trainers.training.task import Loss, StepContext, Sum


def pair_loss(embeddings: Embeddings) -> Tensor:
    """Return the loss that the model is configured for, summed over own pairs: with a logit bias it is SigLIP's."""
    if embeddings.logit_bias is not None:
        return sigmoid_loss(embeddings.image, embeddings.text, embeddings.logit_scale, embeddings.logit_bias)
    return contrastive_loss(embeddings.image, embeddings.text, embeddings.logit_scale)


@torch.no_grad()
def measure(embeddings: Embeddings) -> dict[str, Sum]:
    """Return the logit scale, and how many images have their own text as the nearest of this rank's batch."""
    rows = len(embeddings.image)
    found = nearest(embeddings.image, embeddings.text) if rows else embeddings.image.new_zeros(0)
    own = torch.arange(rows, device=embeddings.image.device)
    return {
        "logit_scale": (embeddings.logit_scale.exp()[0], 1),
        "batch_accuracy": ((found == own).sum(), rows),
    }


class PairObjective:
    """The loss of a batch with "image" (B, 3, H, W) uint8 and "tokens" (B, S).

    With several `chunks` the full batch's exact gradient is computed with one chunk's activations in memory (GradCache,
    arXiv 2101.06983): all embeddings are computed without a graph, then the loss and its gradient with respect to the
    embeddings, then each chunk again with a graph, through which the gradient of its embeddings is back-propagated.
    Batch normalisation takes its statistics from each chunk of all ranks. A locked image tower runs once.
    """

    def __init__(self, chunks: int = 1) -> None:
        self.chunks = chunks

    def prepare(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return a batch of at least one row per chunk: all ranks run the same number of forward passes."""
        rows = len(batch["image"])
        if rows >= self.chunks:
            return dict(batch)
        repeated = torch.arange(self.chunks).clamp(max=rows - 1)
        return {name: value[repeated] if isinstance(value, Tensor) else value for name, value in batch.items()}

    def counts(self, batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the number of pairs."""
        return {"pairs": counted_rows(batch)}

    def losses(
        self, model: nn.Module, batch: Mapping[str, Any], totals: Mapping[str, float], context: StepContext
    ) -> Iterator[Loss]:
        """Yield the loss; with chunks, also one surrogate per chunk."""
        rows, pairs = counted_rows(batch), max(totals["pairs"], 1)
        if self.chunks == 1:
            embeddings = model(batch["image"], batch["tokens"], rows).first(rows)
            yield Loss(pair_loss(embeddings) / pairs, measure(embeddings))
            return
        images, tokens = (batch[name].tensor_split(self.chunks) for name in ("image", "tokens"))
        pieces = list(zip(images, tokens, strict=True))
        ends = list(accumulate(len(piece) for piece in images))
        counted = [min(max(rows - end + len(piece), 0), len(piece)) for end, piece in zip(ends, images, strict=True)]
        seed = torch.initial_seed() % (1 << 40) * 4096
        with torch.no_grad():
            found = [
                _encode(model, *piece, count, seed + at)
                for at, (piece, count) in enumerate(zip(pieces, counted, strict=True))
            ]
        leaves = _leaves(found)
        yield Loss(pair_loss(leaves) / pairs, measure(leaves))
        image_grads, text_grads = _gradient(leaves.image).split(counted), _gradient(leaves.text).split(counted)
        locked = not any(weight.requires_grad for name, weight in model.named_parameters() if name.startswith("image."))
        for at, ((piece, texts), count) in enumerate(zip(pieces, counted, strict=True)):
            again = _encode(model, None if locked else piece, texts, count, seed + at)
            value = (again.text * text_grads[at]).sum()
            if not locked:
                value = value + (again.image * image_grads[at]).sum()
            yield Loss(value + _scale_surrogate(again, leaves, first=at == 0), surrogate=True)


def _encode(model: nn.Module, images: Tensor | None, tokens: Tensor, counted: int, seed: int) -> Embeddings:
    """Embed a chunk with the same random state in both passes."""
    torch.manual_seed(seed)
    embeddings: Embeddings = model(images, tokens, counted)
    return embeddings.first(counted)


def _leaves(chunks: list[Embeddings]) -> Embeddings:
    """Return the embeddings of all chunks as leaves of a new graph."""
    bias = chunks[0].logit_bias
    leaves = Embeddings(
        torch.cat([chunk.image for chunk in chunks]),
        torch.cat([chunk.text for chunk in chunks]),
        chunks[0].logit_scale.detach(),
        None if bias is None else bias.detach(),
    )
    for leaf in leaves:
        if leaf is not None:
            leaf.requires_grad_()
    return leaves


def _scale_surrogate(again: Embeddings, leaves: Embeddings, *, first: bool) -> Tensor:
    """Return the surrogate of logit scale and bias, which one chunk alone back-propagates; the others have weight 0."""
    value = (again.logit_scale * _gradient(leaves.logit_scale)).sum()
    if again.logit_bias is not None and leaves.logit_bias is not None:
        value = value + (again.logit_bias * _gradient(leaves.logit_bias)).sum()
    return value * float(first)


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None, "the loop back-propagates a loss before it takes the next one"
    return leaf.grad
