"""Zero-shot classification and retrieval of a CLIP (arXiv 2103.00020, section 3.1).

Shapes: N images, M texts, C classes, E embedding.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokenizer import ClipTokenizer
from corpusloom.trainers.figures import mean_of_groups, rank_of, recalls, share

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

    top1, top5 if there are five classes, mean recall per class, chance (that of top1), and n.
    """
    scores, own = images @ classes.T, F.one_hot(labels, len(classes)).bool()
    hits = rank_of(scores, own) < 1
    yield from share("top1", hits, 1 / len(classes))
    if len(classes) >= 5:
        yield from recalls("top", scores, own, (5,))
    yield from mean_of_groups("mean_class_recall", hits, labels, 1 / len(classes))
    yield "chance", 1 / len(classes)
    yield "n", float(len(labels))


def retrieval(
    images: Tensor, texts: Tensor, image_of: Tensor, ks: Sequence[int] = (1, 5, 10)
) -> Iterator[tuple[str, float]]:
    """Yield R@k in both directions, chance (that of R@1 of images) and n: (N, E), (M, E), the image of each text (M,).

    An image is a hit when any of its texts is among the first k, a text when its one image is.
    """
    scores = texts @ images.T
    positive = F.one_hot(image_of, len(images)).bool()
    yield from recalls("image_retrieval_r", scores, positive, ks)
    yield from recalls("text_retrieval_r", scores.T, positive.T, ks)
    yield "chance", 1 / len(images)
    yield "n", float(len(texts))
