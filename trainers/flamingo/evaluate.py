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
from corpusloom.trainers.flamingo.data import FlamingoTransform, Vocabulary
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.sequence import EOC, Piece, PromptRow, generate, score
from corpusloom.trainers.stream.samples.typed import ClipSample, PairSample, TypedSample

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
        likelihoods = caption_log_likelihoods(model, [_around(items, number, 1) for number in numbers], vocabulary)
        f1 = torch.full((len(numbers), 2), math.nan, dtype=torch.float64)
        asked = [place for place, number in enumerate(numbers) if number < len(captioned)]
        if asked:
            rows = [_around(captioned, numbers[place], shots + 1) for place in asked]
            f1[asked] = caption_f1(model, rows, vocabulary, settings.prompt)
        return {"likelihoods": likelihoods, "f1": f1}

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
    """An image or a video clip as pixels, (T, 3, S, S) uint8, and its caption."""

    pixels: np.ndarray
    text: str


def example(transform: FlamingoTransform, sample: TypedSample) -> Example:
    """Return a pair or a clip as an `Example`; `transform` does not augment."""
    if not isinstance(sample, PairSample | ClipSample):
        raise ConfigError(
            "few-shot captioning needs captions", where="--data", remedy="give a dataset of pairs or of video clips"
        )
    return Example(transform(sample, np.random.default_rng(0))["images"][0], sample.text)


def caption_log_likelihoods(model: Flamingo, pairs: Sequence[Sequence[Example]], vocabulary: Vocabulary) -> Tensor:
    """Return the log likelihood of each pair's first caption with its own image and with the second's: (M, 2).

    A caption is compared with one other image only, so that the comparisons are independent.
    """
    rows = [[item.pixels] for pair in pairs for item in pair]
    texts = [[pair[0].text] for pair in pairs for _ in pair]
    return torch.cat(score(model, rows, texts, vocabulary)).view(len(pairs), 2)


def right_against_wrong(scores: Tensor) -> Iterator[tuple[str, float]]:
    """Yield the share of captions that are likelier with their own image than with the other, (M, 2), and the gain."""
    yield from share("right_image_likelier", scores[:, 0] > scores[:, 1], 0.5)
    yield "chance", 0.5
    yield "n", float(len(scores))
    yield from mean("nats_gained", scores[:, 0] - scores[:, 1], 0.0)


def caption_row(shots: Sequence[Example], query: Example, prompt: str = PROMPT) -> PromptRow:
    """Return <image>Output: {text}<EOC> of each shot, and <image>Output: of the query."""
    blank = " " if prompt else ""
    row: list[Piece] = []
    for shot in shots:
        row += [shot.pixels, prompt, f"{blank}{shot.text}", EOC]
    return [*row, query.pixels, prompt]


def captions(
    model: Flamingo,
    asked: Sequence[Sequence[Example]],
    vocabulary: Vocabulary,
    prompt: str = PROMPT,
    config: DecodingConfig | None = None,
) -> list[str]:
    """Return the captions that a model writes for the last example of each row; the others are its shots."""
    rows = [caption_row(row[:-1], row[-1], prompt) for row in asked]
    return [text.split("\n")[0].strip() for text in generate(model, rows, vocabulary, config or DecodingConfig())]


def word_f1(written: str, reference: str) -> float:
    """Return the F1 score of the words of two captions, counted as multisets."""
    words, wanted = Counter(written.lower().split()), Counter(reference.lower().split())
    return 2 * (words & wanted).total() / max(words.total() + wanted.total(), 1)


def caption_f1(
    model: Flamingo, around: Sequence[Sequence[Example]], vocabulary: Vocabulary, prompt: str = PROMPT
) -> Tensor:
    """Return per row the word F1 of a generated caption against the first and, by chance, the last example's: (M, 2).

    The caption is generated for the first example's image; the examples between the first and the last are the shots.
    """
    written = captions(model, [[*shots, query] for query, *shots, _ in around], vocabulary, prompt)
    pairs = zip(written, around, strict=True)
    f1 = [(word_f1(text, row[0].text), word_f1(text, row[-1].text)) for text, row in pairs]
    return torch.tensor(f1, dtype=torch.float64)


def few_shot(f1: Tensor, shots: int) -> Iterator[tuple[str, float]]:
    """Yield the word F1 of captions, and as chance that against another image's caption: (M, 2)."""
    yield "shots", float(shots)
    yield "captioned", float(len(f1))
    yield from mean("caption_word_f1", f1[:, 0], float(f1[:, 1].mean()))
