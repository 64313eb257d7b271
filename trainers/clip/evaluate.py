"""Zero-shot classification and retrieval of a CLIP (arXiv 2103.00020, section 3.1).

Shapes: N images, M texts, C classes, E embedding.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.of_model import CaptionTokenizer
from corpusloom.trainers.clip.zero_shot.classify import classify
from corpusloom.trainers.evaluation.batches import (
    Evaluation,
    EvaluationSettings,
    Figures,
    measure_batches,
)
from corpusloom.trainers.evaluation.figures import check_finite, recalls
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.stream.samples.typed import PairSample, RegionsSample, TypedSample


def evaluations() -> Mapping[str, Evaluation]:
    """Return the evaluations of a CLIP by name; they take its tokenizer beside it."""
    return {"zero-shot": classify, "retrieval": retrieve}


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
        pixels = evaluation_image(sample.image, model.config.image.size, squash=model.config.image.squashes)
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
    check_finite(images, "images")
    check_finite(texts, "texts")
    values = dict(retrieval(images, texts, torch.arange(len(texts), device=device)))
    return Figures(values | {"skipped": float(len(found.skipped))}, found.skipped, found.reused)


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
