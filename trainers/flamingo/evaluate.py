"""Evaluation of a Flamingo: likelihood of captions given their image, and few-shot captioning (section 3.3)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.figures import mean, share
from corpusloom.trainers.flamingo.data import IMAGE_TAG, FlamingoTransform, Vocabulary, make_phi, pair_ids
from corpusloom.trainers.flamingo.language_model import BOS, PAD
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.stream.samples.typed import PairSample, TypedSample

PROMPT = "Output:"
"""Prompt of captioning (section 4.1.3): <image>Output: {text}<EOC>."""


@dataclass(frozen=True)
class Example:
    """An image as pixels, (1, 3, S, S) uint8, and its caption."""

    pixels: np.ndarray
    text: str


def example(transform: FlamingoTransform, sample: TypedSample, rng: np.random.Generator) -> dict[str, Any]:
    """Return the values of a pair's `Example`; `transform` does not augment."""
    if not isinstance(sample, PairSample):
        raise ConfigError("few-shot captioning needs pairs", where="--data", remedy="give a dataset of pairs")
    return {"pixels": transform(sample, rng)["images"][0], "text": sample.text}


@torch.no_grad()
def caption_log_likelihoods(model: Flamingo, items: Sequence[Example], vocabulary: Vocabulary) -> Tensor:
    """Return each caption's log likelihood with its own image and with the next example's image, (M, 2).

    A caption is compared with one other image only, so that the comparisons are independent.
    """
    model.eval()
    visual = model.encode_images(torch.from_numpy(np.stack([item.pixels for item in items]))[:, None])
    scores = torch.empty(len(items), 2)
    for number, item in enumerate(items):
        tokens = torch.tensor(pair_ids(item.text, vocabulary)).expand(2, -1)
        phi = torch.ones_like(tokens)
        phi[:, 0] = 0
        logits = model(tokens, visual[[number, (number + 1) % len(items)]], phi)[:, :-1]
        taken = F.log_softmax(logits.float(), -1).gather(-1, tokens[:, 1:, None])[..., 0]
        scores[number] = taken.sum(1)
    return scores


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
    ids, tags = [vocabulary.mark(BOS)], []
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
    visual = model.encode_images(pixels)
    stop = (vocabulary.eoc, vocabulary.mark(PAD))
    made = model.generate(torch.tensor([ids]), visual, torch.from_numpy(phi)[None], stop=stop)
    return str(vocabulary.tokenizer.decode(made[0].tolist())).split("\n")[0].strip()


def word_f1(written: str, reference: str) -> float:
    """Return the F1 score of the words of two captions, counted as multisets."""
    words, wanted = Counter(written.lower().split()), Counter(reference.lower().split())
    return 2 * (words & wanted).total() / max(words.total() + wanted.total(), 1)


def few_shot(
    model: Flamingo, items: Sequence[Example], vocabulary: Vocabulary, shots: int, prompt: str = PROMPT
) -> Iterator[tuple[str, float]]:
    """Yield the word F1 of captions written after `shots` examples, and as chance that against another image's caption.

    The examples of an image are those that follow it in `items`; the other image is the one after these.
    """
    right, wrong = [], []
    for number, query in enumerate(items):
        around = [items[(number + step) % len(items)] for step in range(1, shots + 2)]
        written = caption(model, around[:shots], query, vocabulary, prompt)
        right.append(word_f1(written, query.text))
        wrong.append(word_f1(written, around[shots].text))
    yield "shots", float(shots)
    yield "captioned", float(len(items))
    yield from mean("caption_word_f1", torch.tensor(right), float(np.mean(wrong)))
