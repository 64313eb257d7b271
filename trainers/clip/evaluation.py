"""Zero-shot classification and retrieval of a CLIP (arXiv 2103.00020, section 3.1).

Shapes: N images, M texts, C classes, E embedding.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokenizer import ClipTokenizer

PLACEHOLDER = "{c}"
"""Placeholder of the class name in a template, as in CLIP_benchmark; other braces are text."""


@torch.no_grad()
def class_embeddings(model: CLIP, tokenizer: ClipTokenizer, classes: Sequence[str], templates: Sequence[str]) -> Tensor:
    """Return (C, E): per class the mean of its templates' normalised embeddings, normalised again."""
    for template in templates:
        if PLACEHOLDER not in template:
            raise ConfigError(f"template {template!r} names no class", remedy=f"put {PLACEHOLDER} where the class goes")
    texts = [template.replace(PLACEHOLDER, name) for name in classes for template in templates]
    embedded = embed_texts(model, tokenizer, texts)
    return F.normalize(embedded.unflatten(0, (len(classes), len(templates))).mean(1), dim=-1)


@torch.no_grad()
def embed_texts(model: CLIP, tokenizer: ClipTokenizer, texts: Sequence[str], batch_size: int = 256) -> Tensor:
    """Return the normalised embeddings of texts, (M, E)."""
    device = model.logit_scale.device
    rows = torch.from_numpy(tokenizer.rows(texts)).to(device)
    return torch.cat([model.encode_text(piece) for piece in rows.split(batch_size)])


@torch.no_grad()
def embed_images(model: CLIP, batches: Iterable[Tensor]) -> Tensor:
    """Return the normalised embeddings of batches of images (B, 3, H, W) uint8, (N, E)."""
    device = model.logit_scale.device
    return torch.cat([model.encode_image(batch.to(device)) for batch in batches])


def zero_shot(images: Tensor, labels: Tensor, classes: Tensor) -> Iterator[tuple[str, float]]:
    """Yield the figures of a zero-shot classification: (N, E), (N,) int, (C, E).

    top1 with its 95 % interval (top1_low, top1_high), top5 if there are five classes, mean recall per class, chance,
    and n.
    """
    scores = images @ classes.T
    ranks = rank_of(scores, F.one_hot(labels, len(classes)).bool())
    hits = ranks < 1
    low, high = wilson(int(hits.sum()), len(hits))
    yield "top1", float(hits.float().mean())
    yield "top1_low", low
    yield "top1_high", high
    if len(classes) >= 5:
        yield "top5", float((ranks < 5).float().mean())
    present = labels.unique()
    yield "mean_class_recall", float(torch.stack([hits[labels == label].float().mean() for label in present]).mean())
    yield "chance", 1 / len(classes)
    yield "n", float(len(labels))


def retrieval(
    images: Tensor, texts: Tensor, image_of: Tensor, ks: Sequence[int] = (1, 5, 10)
) -> Iterator[tuple[str, float]]:
    """Yield R@k in both directions: (N, E), (M, E), and the image of each text (M,) int.

    An image is a hit when any of its texts is among the first k, a text when its one image is. Wrong candidates of
    equal similarity rank first, so that copies of an image cannot inflate the figure.
    """
    scores = texts @ images.T
    positive = F.one_hot(image_of, len(images)).bool()
    yield from _recalls("image_retrieval", rank_of(scores, positive), ks)
    yield from _recalls("text_retrieval", rank_of(scores.T, positive.T), ks)


def _recalls(name: str, ranks: Tensor, ks: Sequence[int]) -> Iterator[tuple[str, float]]:
    for k in ks:
        yield f"{name}_r{k}", float((ranks < k).float().mean())


def rank_of(scores: Tensor, positive: Tensor) -> Tensor:
    """Return how many wrong candidates score at least as high as the best right one: (Q, K), (Q, K) bool -> (Q,)."""
    best = scores.masked_fill(~positive, -math.inf).amax(1, keepdim=True)
    return ((scores >= best) & ~positive).sum(1)


def wilson(successes: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927); (0, 1) without trials."""
    if total == 0:
        return 0.0, 1.0
    share, weight = successes / total, z * z / total
    centre = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / total + weight / (4 * total)) / (1 + weight)
    return max(0.0, centre - half), min(1.0, centre + half)
