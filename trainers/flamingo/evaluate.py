"""Evaluation of a Flamingo: likelihood of captions given their image, and few-shot captioning (section 3.3)."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.evaluation.batches import (
    Evaluation,
    EvaluationSettings,
    Figures,
    ItemSource,
    measure_batches,
    read_all,
)
from corpusloom.trainers.evaluation.figures import mean, share
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.flamingo.data import IMAGE_TAG, FlamingoTransform, Vocabulary, make_phi, pair_ids
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.stream.samples.typed import PairSample, TypedSample

PROMPT = "Output:"
"""Prompt of captioning (section 4.1.3): <image>Output: {text}<EOC>."""
CAPTIONED = 32
"""Number of images that are captioned; the log likelihoods are taken over all pairs."""


def evaluations() -> Mapping[str, Evaluation]:
    """Return the evaluations of a Flamingo by name; they take its transform of samples beside it."""
    return {"few-shot": few_shot_of}


def few_shot_of(model: Flamingo, transform: FlamingoTransform, data: str, settings: EvaluationSettings) -> Figures:
    """Return the share of captions that are likelier with their own image, and the word F1 of generated captions."""
    device, vocabulary, shots = next(model.parameters()).device, transform.vocabulary, settings.shots
    with ExitStack() as closing:
        source = dataset_source([data], partial(example, transform), closing, limit=settings.limit)
        items, skipped = read_all(source, settings)
    if len(items) < shots + 2:
        raise InputError(f"{len(items)} pairs", where=data, remedy=f"{shots} shots need {shots + 2}")
    captioned = items[: max(CAPTIONED, shots + 2)]

    def measure(numbers: Sequence[int]) -> dict[str, Tensor]:
        likelihoods = [caption_log_likelihoods(model, _around(items, number, 1), vocabulary) for number in numbers]
        f1 = [
            caption_f1(model, _around(captioned, number, shots + 1), vocabulary, settings.prompt)
            if number < len(captioned)
            else (math.nan, math.nan)
            for number in numbers
        ]
        return {"likelihoods": torch.stack(likelihoods), "f1": torch.tensor(f1, dtype=torch.float64)}

    numbers = ItemSource(range(len(items)), lambda number: number, str, data)
    found = measure_batches(numbers, measure, settings, device)
    values = dict(right_against_wrong(found.tensors["likelihoods"]))
    values |= dict(few_shot(found.tensors["f1"][: len(captioned)], shots))
    return Figures(values | {"skipped": float(len(skipped))}, skipped, found.reused)


def _around(items: Sequence["Example"], number: int, following: int) -> list["Example"]:
    """Return an item and those that follow it; the first one follows the last."""
    return [items[(number + step) % len(items)] for step in range(following + 1)]


@dataclass(frozen=True)
class Example:
    """An image as pixels, (1, 3, S, S) uint8, and its caption."""

    pixels: np.ndarray
    text: str


def example(transform: FlamingoTransform, sample: TypedSample) -> Example:
    """Return a pair as an `Example`; `transform` does not augment."""
    if not isinstance(sample, PairSample):
        raise ConfigError("few-shot captioning needs pairs", where="--data", remedy="give a dataset of pairs")
    return Example(transform(sample, np.random.default_rng(0))["images"][0], sample.text)


@torch.no_grad()
def caption_log_likelihoods(model: Flamingo, pair: Sequence[Example], vocabulary: Vocabulary) -> Tensor:
    """Return the log likelihood of the first example's caption with its own image and with the second's, (2,).

    A caption is compared with one other image only, so that the comparisons are independent.
    """
    model.eval()
    device = next(model.parameters()).device
    visual = model.encode_images(torch.from_numpy(np.stack([item.pixels for item in pair]))[:, None].to(device))
    tokens = torch.tensor(pair_ids(pair[0].text, vocabulary), device=device).expand(2, -1)
    phi = torch.ones_like(tokens)
    phi[:, 0] = 0
    logits = model(tokens, visual, phi)[:, :-1]
    taken = F.log_softmax(logits.float(), -1).gather(-1, tokens[:, 1:, None])[..., 0]
    return taken.sum(1)


def right_against_wrong(scores: Tensor) -> Iterator[tuple[str, float]]:
    """Yield the share of captions that are likelier with their own image than with the other, (M, 2), and the gain."""
    yield from share("right_image_likelier", scores[:, 0] > scores[:, 1], 0.5)
    yield "chance", 0.5
    yield "n", float(len(scores))
    yield from mean("nats_gained", scores[:, 0] - scores[:, 1], 0.0)


def few_shot_prompt(
    shots: Sequence[Example], vocabulary: Vocabulary, prompt: str = PROMPT
) -> tuple[list[int], list[int]]:
    """Return the ids of a k-shot captioning prompt, with the query's tag last, and the indexes of the image tags."""
    ids, tags = [vocabulary.bos], []
    blank = " " if prompt else ""
    opening = vocabulary.ids(f"{IMAGE_TAG}{prompt}")
    for shot in shots:
        tags.append(len(ids))
        ids += [*opening, *vocabulary.ids(f"{blank}{shot.text}"), vocabulary.eoc]
    return [*ids, *opening], [*tags, len(ids)]


@torch.no_grad()
def caption(
    model: Flamingo, shots: Sequence[Example], query: Example, vocabulary: Vocabulary, prompt: str = PROMPT
) -> str:
    """Return the caption that a model writes for an image after the examples `shots`, decoded greedily."""
    model.eval()
    ids, tags = few_shot_prompt(shots, vocabulary, prompt)
    phi = make_phi(len(ids), tags, len(tags), look_ahead=False)
    pixels = torch.from_numpy(np.stack([item.pixels for item in [*shots, query]]))[None]
    device = next(model.parameters()).device
    visual = model.encode_images(pixels.to(device))
    stop = (vocabulary.eoc, vocabulary.eos)
    made = model.generate(torch.tensor([ids], device=device), visual, torch.from_numpy(phi)[None].to(device), stop=stop)
    return vocabulary.tokenizer.text(made[0].tolist()).split("\n")[0].strip()


def word_f1(written: str, reference: str) -> float:
    """Return the F1 score of the words of two captions, counted as multisets."""
    words, wanted = Counter(written.lower().split()), Counter(reference.lower().split())
    return 2 * (words & wanted).total() / max(words.total() + wanted.total(), 1)


def caption_f1(
    model: Flamingo, around: Sequence[Example], vocabulary: Vocabulary, prompt: str = PROMPT
) -> tuple[float, float]:
    """Return the word F1 of a generated caption against the first example's, and against the last example's, by chance.

    The caption is generated for the first example's image; the examples between the first and the last are the shots.
    """
    query, *shots, other = around
    written = caption(model, shots, query, vocabulary, prompt)
    return word_f1(written, query.text), word_f1(written, other.text)


def few_shot(f1: Tensor, shots: int) -> Iterator[tuple[str, float]]:
    """Yield the word F1 of captions, and as chance that against another image's caption: (M, 2)."""
    yield "shots", float(shots)
    yield "captioned", float(len(f1))
    yield from mean("caption_word_f1", f1[:, 0], float(f1[:, 1].mean()))
