"""CLIP's symmetric contrastive loss (arXiv 2103.00020, Figure 3) and SigLIP's (arXiv 2303.15343, Algorithm 1).

Shapes: B pairs of this rank, W ranks, E embedding. Each rank computes its own rows against the embeddings of all
ranks. The gather sums gradients over ranks and the loop averages them, so the update equals that of one process with
the global batch.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.clip.model import CLIP, Embeddings
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.loop import Loss, Objective, StepContext


def contrastive_loss(image: Tensor, text: Tensor, logit_scale: Tensor) -> Tensor:
    """Return the mean cross entropy of image to text and text to image: (B, E), (B, E), [1] log scale -> ()."""
    rows = distributed.row_counts(len(image))
    images, texts = distributed.all_gather(image, rows), distributed.all_gather(text, rows)
    labels = sum(rows[: distributed.rank()]) + torch.arange(len(image), device=image.device)
    scale = logit_scale.float().exp()
    by_image = F.cross_entropy(scale * image @ texts.T, labels, reduction="sum")
    by_text = F.cross_entropy(scale * text @ images.T, labels, reduction="sum")
    return (by_image + by_text) / 2 / max(len(image), 1) * distributed.row_weight(rows)


def sigmoid_loss(image: Tensor, text: Tensor, logit_scale: Tensor, logit_bias: Tensor) -> Tensor:
    """Return the sum of the binary losses of all pairs, per image: (B, E), (B, E), [1], [1] -> ()."""
    rows = distributed.row_counts(len(image))
    texts = distributed.all_gather(text, rows)
    logits = logit_scale.float().exp() * image @ texts.T + logit_bias.float()
    own = sum(rows[: distributed.rank()]) + torch.arange(len(image), device=image.device)
    signs = torch.full_like(logits, -1.0).scatter_(1, own[:, None], 1.0)
    return -F.logsigmoid(signs * logits).sum() / max(len(image), 1) * distributed.row_weight(rows)


def pair_loss(model: CLIP, embeddings: Embeddings) -> Tensor:
    """Return the loss that the model is configured for."""
    if model.config.loss == "sigmoid":
        return sigmoid_loss(embeddings.image, embeddings.text, model.logit_scale, model.logit_bias)
    return contrastive_loss(embeddings.image, embeddings.text, model.logit_scale)


@torch.no_grad()
def measure(model: CLIP, embeddings: Embeddings) -> dict[str, Tensor]:
    """Return the logit scale, and the share of images whose own text is the nearest (NaN without images)."""
    if not len(embeddings.image):
        return {"logit_scale": model.logit_scale.exp()[0], "batch_accuracy": torch.tensor(torch.nan)}
    nearest = (embeddings.image @ embeddings.text.T).argmax(1)
    own = torch.arange(len(nearest), device=nearest.device)
    return {"logit_scale": model.logit_scale.exp()[0], "batch_accuracy": (nearest == own).float().mean()}


def objective(model: nn.Module, batch: Mapping[str, Any], context: StepContext) -> Iterator[Loss]:
    """Yield the loss of a batch with "image" (B, 3, H, W) uint8 and "tokens" (B, S)."""
    assert isinstance(model, CLIP)
    embeddings = model(batch["image"], batch["tokens"]) if len(batch["image"]) else no_embeddings(model)
    yield Loss(pair_loss(model, embeddings), measure(model, embeddings))


def no_embeddings(model: CLIP) -> Embeddings:
    """Return the embeddings of no pair, with which a rank without a usable sample takes part in the gathers."""
    empty = model.logit_scale.new_empty(0, model.config.embed_dim)
    return Embeddings(empty.requires_grad_(), empty.clone().requires_grad_())


def chunked_objective(chunks: int) -> Objective:
    """Return an objective with the full batch's exact gradient and one chunk's activations (arXiv 2101.06983).

    All embeddings are computed without a graph, then the loss and its gradient with respect to the embeddings, then
    each chunk again with a graph, through which the gradient of its embeddings is back-propagated. Batch normalisation
    takes its statistics from each chunk.
    """
    if chunks == 1:
        return objective

    def chunked(model: nn.Module, batch: Mapping[str, Any], context: StepContext) -> Iterator[Loss]:
        assert isinstance(model, CLIP)
        if not len(batch["image"]):
            yield from objective(model, batch, context)
            return
        pieces = list(zip(batch["image"].chunk(chunks), batch["tokens"].chunk(chunks), strict=True))
        seed = torch.initial_seed() % (1 << 40) * 4096
        with torch.no_grad():
            features = [_encode(model, piece, seed + index) for index, piece in enumerate(pieces)]
        leaves = Embeddings(*(torch.cat([getattr(f, side) for f in features]) for side in ("image", "text")))
        leaves.image.requires_grad_()
        leaves.text.requires_grad_()
        yield Loss(pair_loss(model, leaves), measure(model, leaves))
        gradients = zip(_gradient(leaves.image).chunk(chunks), _gradient(leaves.text).chunk(chunks), strict=True)
        for index, (piece, (image_grad, text_grad)) in enumerate(zip(pieces, gradients, strict=True)):
            again = _encode(model, piece, seed + index)
            yield Loss((again.image * image_grad).sum() + (again.text * text_grad).sum(), surrogate=True)

    return chunked


def _encode(model: CLIP, piece: tuple[Tensor, Tensor], seed: int) -> Embeddings:
    """Embed a chunk with the same random state in both passes."""
    torch.manual_seed(seed)
    return model(*piece)


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None, "the loop back-propagates a loss before it takes the next one"
    return leaf.grad
