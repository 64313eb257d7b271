"""Zero-shot classification and retrieval of a CLIP (arXiv 2103.00020, section 3.1).

Shapes: N images, M texts, C classes, E embedding.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.of_model import CaptionTokenizer
from corpusloom.trainers.clip.zero_shot.benchmarks import PLACEHOLDER, Labelled, open_benchmark
from corpusloom.trainers.evaluation.batches import (
    Evaluation,
    EvaluationSettings,
    Figures,
    ItemSource,
    measure_batches,
)
from corpusloom.trainers.evaluation.figures import mean_of_groups, rank_of, recalls, share
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.stream.samples.typed import PairSample, RegionsSample, TypedSample
from corpusloom.trainers.training.numerics import autocast


def evaluations() -> Mapping[str, Evaluation]:
    """Return the evaluations of a CLIP by name; they take its tokenizer beside it."""
    return {"zero-shot": classify, "retrieval": retrieve}


def classify(model: CLIP, tokenizer: CaptionTokenizer, data: str, settings: EvaluationSettings) -> Figures:
    """Return the figures of zero-shot classification on a folder in CLIP_benchmark's layout."""
    benchmark, device = open_benchmark(data), model.logit_scale.device

    def read(sample: Labelled) -> tuple[np.ndarray, int]:
        label = benchmark.label_of(sample)
        return evaluation_image(sample.image, model.config.image.size), label

    def measure(rows: Sequence[tuple[np.ndarray, int]]) -> dict[str, Tensor]:
        pixels = torch.from_numpy(np.stack([pixels for pixels, _ in rows])).to(device)
        return {"image": model.encode_image(pixels), "label": torch.tensor([label for _, label in rows])}

    items = islice(benchmark, settings.limit)
    found = measure_batches(ItemSource(items, read, lambda sample: sample.key, data), measure, settings, device)
    with autocast(settings.precision, device):
        classes = class_embeddings(model, tokenizer, benchmark.classes, benchmark.templates)
    images, labels = found.tensors["image"].to(device), found.tensors["label"].to(device)
    values = dict(zero_shot(images, labels, classes)) | {"skipped": float(len(found.skipped))}
    return Figures(values, found.skipped, found.reused)


def retrieve(model: CLIP, tokenizer: CaptionTokenizer, data: str, settings: EvaluationSettings) -> Figures:
    """Return the figures of retrieval among the pairs of a dataset."""
    return retrieve_from(model, tokenizer, [data], settings)


def retrieve_from(
    model: CLIP,
    tokenizer: CaptionTokenizer,
    paths: Sequence[str],
    settings: EvaluationSettings,
    split: str | None = None,
) -> Figures:
    """Return the figures of retrieval among the first samples of each dataset, each with its own text."""
    device = model.logit_scale.device

    def read(sample: TypedSample) -> dict[str, np.ndarray]:
        if not isinstance(sample, PairSample | RegionsSample):
            raise ConfigError("retrieval needs pairs", where="--data", remedy="give a dataset of pairs or of regions")
        pixels = evaluation_image(sample.image, model.config.image.size)
        return {"pixels": pixels, "tokens": tokenizer.row(sample.text)}

    def measure(rows: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        pixels, tokens = (
            torch.from_numpy(np.stack([row[name] for row in rows])).to(device) for name in ("pixels", "tokens")
        )
        return {"image": model.encode_image(pixels), "text": model.encode_text(tokens)}

    with ExitStack() as closing:
        source = dataset_source(paths, read, closing, split=split, limit=settings.limit)
        found = measure_batches(source, measure, settings, device)
    images, texts = found.tensors["image"].to(device), found.tensors["text"].to(device)
    values = dict(retrieval(images, texts, torch.arange(len(texts), device=device)))
    return Figures(values | {"skipped": float(len(found.skipped))}, found.skipped, found.reused)


@torch.no_grad()
def class_embeddings(
    model: CLIP, tokenizer: CaptionTokenizer, classes: Sequence[str], templates: Sequence[str]
) -> Tensor:
    """Return (C, E): per class the mean of its templates' normalised embeddings, normalised again."""
    for template in templates:
        if PLACEHOLDER not in template:
            raise ConfigError(f"template {template!r} names no class", remedy=f"put {PLACEHOLDER} where the class goes")
    texts = [template.replace(PLACEHOLDER, name) for name in classes for template in templates]
    embedded = embed_texts(model, tokenizer, texts)
    return F.normalize(embedded.unflatten(0, (len(classes), len(templates))).mean(1), dim=-1)


@torch.no_grad()
def embed_texts(model: CLIP, tokenizer: CaptionTokenizer, texts: Sequence[str], batch_size: int = 256) -> Tensor:
    """Return the normalised embeddings of texts, (M, E)."""
    device = model.logit_scale.device
    rows = torch.from_numpy(tokenizer.rows(texts)).to(device)
    return torch.cat([model.encode_text(piece) for piece in rows.split(batch_size)])


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
