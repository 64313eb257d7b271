"""What a checkpoint can do on a dataset: one entry for the command line, whatever the model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers import checkpoint, registry
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.samples.typed import PairSample

RETRIEVAL_LIMIT = 100
CAPTIONED = 32
"""Images that a Flamingo captions; the likelihoods are taken of all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FewShot:
    """How a Flamingo is asked for captions."""

    shots: int = 4
    """Examples before the image."""
    prompt: str = "Output:"
    """Between an image and its caption; empty for pairs as they were trained on."""


def evaluate(
    kind: str, path: str, data: str, *, limit: int | None = None, few_shot: FewShot | None = None
) -> dict[str, float]:
    """Return the figures of `zero-shot`, `retrieval` or `few-shot` for a checkpoint on a dataset."""
    config = checkpoint.read_config(checkpoint.find(path))
    known: dict[tuple[str, str], Callable[[str, str, int | None], Iterator[tuple[str, float]]]] = {
        ("zero-shot", "clip"): zero_shot,
        ("retrieval", "clip"): clip_retrieval,
        ("retrieval", "vilbert"): vilbert_retrieval,
        ("few-shot", "flamingo"): partial(captions, few_shot=few_shot or FewShot()),
    }
    if (kind, config.family) not in known:
        options = ", ".join(f"{name} for {family}" for name, family in known)
        raise ConfigError(
            f"no {kind} evaluation of a {config.family}", where="loom eval", remedy=f"there are {options}"
        )
    return dict(known[kind, config.family](path, data, limit))


def zero_shot(path: str, data: str, limit: int | None) -> Iterator[tuple[str, float]]:
    """Yield the figures of zero-shot classification on a folder in CLIP_benchmark's layout."""
    from corpusloom.trainers.clip import benchmarks

    yield from benchmarks.evaluate(path, data, limit=limit)


def pairs_of(data: str, limit: int | None) -> list[Any]:
    """Return the first samples of a dataset, in the order of their keys."""
    stream = StreamingDataset(data, shuffle=False, rank=0, world_size=1)
    return list(islice(stream, limit))


def clip_retrieval(path: str, data: str, limit: int | None) -> Iterator[tuple[str, float]]:
    """Yield R@k of a CLIP, both ways."""
    from corpusloom.trainers.clip import evaluation
    from corpusloom.trainers.clip.data import evaluation_image
    from corpusloom.trainers.clip.task import load_clip

    model, tokenizer = load_clip(path)
    items = pairs_of(data, limit)
    pixels = torch.from_numpy(np.stack([evaluation_image(item.image, model.config.image.size) for item in items]))
    images = evaluation.embed_images(model, pixels.split(128))
    texts = evaluation.embed_texts(model, tokenizer, [item.text for item in items])
    yield from evaluation.retrieval(images, texts, torch.arange(len(items)))


def vilbert_retrieval(path: str, data: str, limit: int | None) -> Iterator[tuple[str, float]]:
    """Yield R@k of a ViLBERT: images by caption."""
    from corpusloom.trainers.vilbert.evaluation import evaluate_batch
    from corpusloom.trainers.vilbert.task import evaluation_batch

    model, config = registry.load_model(path)
    batch = evaluation_batch(path, config, data, limit or RETRIEVAL_LIMIT)
    yield from evaluate_batch(model, batch)  # type: ignore[arg-type]


def captions(path: str, data: str, limit: int | None, few_shot: FewShot) -> Iterator[tuple[str, float]]:
    """Yield how often a Flamingo finds a caption likelier with its own image, and what its own captions are worth."""
    from corpusloom.trainers.flamingo import evaluation
    from corpusloom.trainers.flamingo.task import evaluation_transform

    model, config = registry.load_model(path)
    transform = evaluation_transform(path, config)
    samples = [item for item in pairs_of(data, limit) if isinstance(item, PairSample)]
    if len(samples) < few_shot.shots + 2:
        raise InputError(
            f"{len(samples)} pairs", where=data, remedy=f"{few_shot.shots} shots need {few_shot.shots + 2}"
        )
    items = evaluation.examples(samples, transform)
    scores = evaluation.caption_log_likelihoods(model, items, transform.vocabulary)  # type: ignore[arg-type]
    yield from evaluation.right_against_wrong(scores)
    yield from evaluation.few_shot(
        model,  # type: ignore[arg-type]
        items[: max(CAPTIONED, few_shot.shots + 2)],
        transform.vocabulary,
        few_shot.shots,
        few_shot.prompt,
    )
