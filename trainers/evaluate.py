"""Evaluates a checkpoint on a dataset: the evaluations of all families, by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Protocol

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.clip import benchmarks
from corpusloom.trainers.clip.task import load_clip, retrieval_of
from corpusloom.trainers.flamingo import evaluate as flamingo_evaluation
from corpusloom.trainers.flamingo import task as flamingo_task
from corpusloom.trainers.lm import task as lm_task
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.training import checkpoint
from corpusloom.trainers.training.hub.folders import is_folder_of_others, read_folder
from corpusloom.trainers.vilbert import evaluate as vilbert_evaluation
from corpusloom.trainers.vilbert import task as vilbert_task

RETRIEVAL_LIMIT = 100
"""Default number of pairs in ViLBERT's retrieval; their square is scored, as each caption is scored with each image."""
CAPTIONED = 32
"""Number of images that a Flamingo captions; the log likelihoods are taken over all pairs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FewShot:
    """Settings of Flamingo's few-shot captioning."""

    shots: int = 4
    """Examples before the image."""
    prompt: str = "Output:"
    """Text between an image and its caption; empty for pairs as in training."""


class Evaluation(Protocol):
    """Measures a checkpoint on a dataset."""

    def __call__(self, path: str, data: str, limit: int | None) -> Iterator[tuple[str, float]]:
        """Yield (name, value) of the checkpoint at `path` on the first `limit` samples of `data`."""


def evaluate(
    kind: str, path: str, data: str, *, limit: int | None = None, few_shot: FewShot | None = None
) -> dict[str, float]:
    """Return the figures of `zero-shot`, `retrieval`, `few-shot` or `likelihood` for a checkpoint on a dataset."""
    family = family_of(path)
    known: dict[tuple[str, str], Evaluation] = {
        ("zero-shot", "clip"): zero_shot,
        ("retrieval", "clip"): clip_retrieval,
        ("retrieval", "vilbert"): vilbert_retrieval,
        ("likelihood", "lm"): text_likelihood,
        ("few-shot", "flamingo"): partial(captions, few_shot=few_shot or FewShot()),
    }
    if (kind, family) not in known:
        options = ", ".join(f"{name} for {family}" for name, family in known)
        raise ConfigError(f"no {kind} evaluation of a {family}", where="loom eval", remedy=f"there are {options}")
    return dict(known[kind, family](path, data, limit))


def family_of(path: str) -> str:
    """Return the family of a checkpoint, of a run's newest one, or of a folder in the layout of others."""
    if is_folder_of_others(path):
        read_folder(path).check_type("clip")
        return "clip"
    return checkpoint.read_config(folders.find(path)).family


def zero_shot(path: str, data: str, limit: int | None) -> Iterator[tuple[str, float]]:
    """Yield a CLIP's figures of zero-shot classification on a folder in CLIP_benchmark's layout."""
    yield from benchmarks.evaluate(path, data, limit=limit)


def clip_retrieval(path: str, data: str, limit: int | None) -> Iterator[tuple[str, float]]:
    """Yield R@k of a CLIP in both directions."""
    model, tokenizer = load_clip(path)
    yield from retrieval_of(model, tokenizer, [data], limit=limit)


def vilbert_retrieval(path: str, data: str, limit: int | None) -> Iterator[tuple[str, float]]:
    """Yield R@k of a ViLBERT: captions rank images."""
    model, config = checkpoint.load_model(path, vilbert_task.build_model)
    batch = vilbert_task.evaluation_batch(path, config, data, limit or RETRIEVAL_LIMIT)
    yield from vilbert_evaluation.evaluate_batch(model, batch)


def text_likelihood(path: str, data: str, limit: int | None) -> Iterator[tuple[str, float]]:
    """Yield a language model's nats per token on the first `limit` texts of a file."""
    yield from lm_task.likelihood_of(path, data, limit)


def captions(path: str, data: str, limit: int | None, few_shot: FewShot) -> Iterator[tuple[str, float]]:
    """Yield the share of captions that are likelier with their own image, and the word F1 of generated captions."""
    model, config = checkpoint.load_model(path, flamingo_task.build_model)
    transform = flamingo_task.evaluation_transform(path, config, model)
    example = partial(flamingo_evaluation.example, transform)
    stream = StreamingDataset(data, shuffle=False, rank=0, world_size=1, transform=example)
    values: Iterator[Any] = islice(stream, limit)
    items = [flamingo_evaluation.Example(**found) for found in values]
    if len(items) < few_shot.shots + 2:
        raise InputError(f"{len(items)} pairs", where=data, remedy=f"{few_shot.shots} shots need {few_shot.shots + 2}")
    scores = flamingo_evaluation.caption_log_likelihoods(model, items, transform.vocabulary)
    yield from flamingo_evaluation.right_against_wrong(scores)
    yield from flamingo_evaluation.few_shot(
        model, items[: max(CAPTIONED, few_shot.shots + 2)], transform.vocabulary, few_shot.shots, few_shot.prompt
    )
    yield "skipped", float(sum(stream.skipped.values()))
