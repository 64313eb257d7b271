"""Retrieval of images by text and of texts by image (arXiv 2103.00020, section 3.1).

An image has any number of texts. Sources: datasets of pairs, benchmarks in CLIP_benchmark's layout, and captions in
Karpathy's layout.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.of_model import CaptionTokenizer
from corpusloom.trainers.clip.zero_shot.benchmarks import DATASET_TYPE, open_captions
from corpusloom.trainers.clip.zero_shot.class_embeddings import embed_texts
from corpusloom.trainers.clip.zero_shot.embed_images import embed_images
from corpusloom.trainers.clip.zero_shot.retrieval.figures import retrieval
from corpusloom.trainers.clip.zero_shot.retrieval.karpathy import open_karpathy
from corpusloom.trainers.evaluation.batches import EvaluationSettings, Figures, measure_batches
from corpusloom.trainers.evaluation.figures import check_finite
from corpusloom.trainers.evaluation.occurrences import first_occurrences
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.typed import PairSample, RegionsSample, TypedSample


class CaptionedImage(Protocol):
    """One encoded image and its captions."""

    @property
    def key(self) -> str: ...

    @property
    def image(self) -> bytes: ...

    @property
    def captions(self) -> tuple[str, ...]: ...


class CaptionedImages(Protocol):
    """Images with captions, in a fixed order."""

    @property
    def folder(self) -> str: ...

    def __iter__(self) -> Iterator[Any]: ...


def retrieve(model: CLIP, tokenizer: CaptionTokenizer, data: str, settings: EvaluationSettings) -> Figures:
    """Return the figures of retrieval in a dataset, a benchmark with captions, or a file in Karpathy's layout."""
    if settings.annotations:
        remedy = "give the file of captions as --data, and --images FOLDER"
        raise ConfigError("a CLIP reads images, not annotated regions", where="--annotations", remedy=remedy)
    if data.lower().endswith(".json"):
        source: CaptionedImages = open_karpathy(data, settings.images, settings.split or "test")
        return retrieve_captioned(model, tokenizer, source, settings)
    if settings.images is not None:
        remedy = "give a file in Karpathy's layout as --data, or leave --images out"
        raise ConfigError("--images without a file of captions", where=data, remedy=remedy)
    if storage.exists(storage.join(data, DATASET_TYPE)):
        return retrieve_captioned(model, tokenizer, open_captions(data, settings.split or "test"), settings)
    return retrieve_from(model, tokenizer, [data], settings, settings.split)


def retrieve_captioned(
    model: CLIP, tokenizer: CaptionTokenizer, source: CaptionedImages, settings: EvaluationSettings
) -> Figures:
    """Return the figures of retrieval among images with several captions each."""
    images, shape, device = _Recorded(source), model.config.image, model.logit_scale.device
    found = embed_images(images, model.encode_image, shape.size, settings, device, squash=shape.squashes)
    captions = [images.captions[number] for number in found.numbers]
    texts = embed_texts(model, tokenizer, [text for own in captions for text in own], settings)
    check_finite(texts, "texts")
    counts = torch.tensor([len(own) for own in captions], device=device)
    image_of = torch.arange(len(captions), device=device).repeat_interleave(counts)
    values = dict(retrieval(found.vectors, texts, image_of))
    return Figures(values | {"skipped": float(len(found.skipped))}, found.skipped, found.reused)


@dataclass(slots=True)
class _Recorded:
    """Captioned images; iteration records the captions of each."""

    source: CaptionedImages
    captions: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def folder(self) -> str:
        return self.source.folder

    def __iter__(self) -> Iterator[CaptionedImage]:
        for item in self.source:
            self.captions.append(tuple(text for text in item.captions if text.strip()))
            yield item

    def label_of(self, item: CaptionedImage) -> int:
        if not any(text.strip() for text in item.captions):
            raise SampleError("no_caption")
        return 0


def retrieve_from(
    model: CLIP,
    tokenizer: CaptionTokenizer,
    paths: Sequence[str],
    settings: EvaluationSettings,
    split: str | None = None,
) -> Figures:
    """Return the figures of retrieval among the first samples of each dataset; equal images are one with all texts."""
    device = model.logit_scale.device

    def read(sample: TypedSample) -> dict[str, np.ndarray]:
        if not isinstance(sample, PairSample | RegionsSample):
            raise ConfigError("retrieval needs pairs", where="--data", remedy="give a dataset of pairs or of regions")
        pixels = evaluation_image(sample.image, model.config.image.size, squash=model.config.image.squashes)
        digest = np.frombuffer(hashlib.sha256(sample.image).digest(), np.uint8)
        return {"pixels": pixels, "tokens": tokenizer.row(sample.text), "digest": digest}

    def measure(rows: Sequence[dict[str, Any]]) -> Mapping[str, Tensor]:
        pixels, tokens, digest = (
            torch.from_numpy(np.stack([row[name] for row in rows])) for name in ("pixels", "tokens", "digest")
        )
        image, text = model.encode_image(pixels.to(device)), model.encode_text(tokens.to(device))
        return {"image": image, "text": text, "digest": digest}

    with ExitStack() as closing:
        source = dataset_source(paths, read, closing, split=split, limit=settings.limit)
        found = measure_batches(source, measure, settings, device)
    images, texts = found.tensors["image"].to(device), found.tensors["text"].to(device)
    check_finite(images, "images")
    check_finite(texts, "texts")
    digests = np.ascontiguousarray(found.tensors["digest"].numpy()).view("S32")[:, 0]
    firsts, image_of = (torch.from_numpy(part).to(device) for part in first_occurrences(digests))
    values = dict(retrieval(images[firsts], texts, image_of))
    return Figures(values | {"skipped": float(len(found.skipped))}, found.skipped, found.reused)
