"""Zero-shot caption-based image retrieval: the pre-trained alignment head ranks images (section 3.2)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.evaluation.batches import (
    Evaluation,
    EvaluationSettings,
    Figures,
    ItemSource,
    measure_batches,
    read_all,
)
from corpusloom.trainers.evaluation.figures import recalls
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.stream.samples.typed import TypedSample
from corpusloom.trainers.training.batches import to_device
from corpusloom.trainers.training.numerics import autocast
from corpusloom.trainers.vilbert.config import ViLBERTDataConfig
from corpusloom.trainers.vilbert.data import PretrainingTransform
from corpusloom.trainers.vilbert.downstream import runs
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.model.streams import Streams

KS = (1, 5, 10)
LIMIT = 100
"""Default number of pairs; their square is scored, as each caption is scored with each image."""
IMAGES_PER_PASS = 100
USED = ("original", "token_mask", "features", "locations", "region_mask")
"""Names of a sample's arrays that are scored; the others are for training."""
Tools = tuple[Tokenizer, ViLBERTDataConfig]


def evaluations() -> Mapping[str, Evaluation]:
    """Return the evaluations of a ViLBERT by name: of the pre-training model, and of those of the tasks.

    They take beside it its tokenizer and data configuration, or `TaskTools`.
    """
    return {"retrieval": retrieve, **runs.evaluations()}


def retrieve(model: Streams, tools: Tools, data: str, settings: EvaluationSettings) -> Figures:
    """Return the figures of retrieval among the first pairs of a dataset: captions rank images."""
    if not isinstance(model, ViLBERT):
        what = f"the checkpoint is of the task {model.config.task}, which has no alignment head"
        raise ConfigError(what, where="--checkpoint", remedy="give a run of the pre-training")
    settings = settings if settings.limit is not None else replace(settings, limit=LIMIT)
    return retrieve_from(model, tools, [data], settings)


def retrieve_from(
    model: ViLBERT, tools: Tools, paths: Sequence[str], settings: EvaluationSettings, split: str | None = None
) -> Figures:
    """Return the figures of retrieval among the first pairs of each dataset, or of one split of it."""
    device = model.word_bias.device
    transform = PretrainingTransform(tools[0], replace(tools[1], mask=0.0), model.config.feature_width)

    def read(sample: TypedSample) -> dict[str, np.ndarray]:
        arrays = transform(sample, np.random.default_rng(0))
        return {name: arrays[name] for name in USED}

    with ExitStack() as closing:
        rows, skipped = read_all(dataset_source(paths, read, closing, split=split, limit=settings.limit), settings)
    batch = to_device({name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in USED}, device)
    with torch.no_grad(), autocast(settings.precision, device):
        images = encode_images(model, batch, settings.batch_size)

    def measure(numbers: Sequence[int]) -> dict[str, Tensor]:
        return {"scores": score_captions(model, batch, list(numbers), images)}

    captions = ItemSource(range(len(rows)), lambda number: number, str, ", ".join(paths))
    found = measure_batches(captions, measure, settings, device)
    values = dict(retrieval(found.tensors["scores"])) | {"skipped": float(len(skipped))}
    return Figures(values, skipped, found.reused)


def encode_images(model: ViLBERT, batch: Mapping[str, Tensor], batch_size: int) -> Tensor:
    """Return the states of all images up to the first connection, in pieces."""
    pieces = zip(*(batch[name].split(batch_size) for name in ("features", "locations", "region_mask")), strict=True)
    return torch.cat([model.encode_image(features.float(), places, mask) for features, places, mask in pieces])


def score_captions(
    model: ViLBERT, batch: Mapping[str, Tensor], numbers: list[int], images: Tensor, per_pass: int = IMAGES_PER_PASS
) -> Tensor:
    """Return the probability of "aligned" of some captions with every image, (captions, N).

    Up to the first connection the streams do not depend on each other and are computed once (section 3.2 does so for
    the text); the rest is computed for each caption with `per_pass` images at a time.
    """
    texts = model.encode_text(batch["original"][numbers], batch["token_mask"][numbers])
    return torch.stack(
        [
            _score_caption(model, text, mask, images, batch["region_mask"], per_pass)
            for text, mask in zip(texts, batch["token_mask"][numbers], strict=True)
        ]
    )


def _score_caption(
    model: ViLBERT, text: Tensor, mask: Tensor, images: Tensor, region_mask: Tensor, per_pass: int
) -> Tensor:
    scores = []
    for part, regions in zip(images.split(per_pass), region_mask.split(per_pass), strict=True):
        count = len(part)
        outputs = model.join(text.expand(count, -1, -1), mask.expand(count, -1), part, regions)
        scores.append(outputs.alignment.float().softmax(1)[:, 0])
    return torch.cat(scores)


def retrieval(scores: Tensor, ks: Sequence[int] = KS) -> Iterator[tuple[str, float]]:
    """Yield R@k of captions, (M, N) where image i belongs to caption i, chance (that of R@1) and n."""
    yield from recalls("r", scores, torch.eye(len(scores), dtype=torch.bool, device=scores.device), ks)
    yield "chance", 1 / scores.shape[1]
    yield "n", float(len(scores))
