"""What a Flamingo has learnt: captions made more likely by their own image, and few-shot captioning (section 3.3)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.clip.evaluation import wilson
from trainers.flamingo.data import FlamingoTransform, Vocabulary, make_phi, pair_ids
from trainers.flamingo.language_model import BOS, PAD
from trainers.flamingo.model import Flamingo
from trainers.stream.samples import PairSample

PROMPT = "Output:"
"""Of captioning (section 4.1.3): <image>Output: {text}<EOC>."""


@dataclass(frozen=True)
class Example:
    """An image as pixels (1, 3, S, S) uint8, and its caption."""

    pixels: np.ndarray
    text: str


def examples(samples: Sequence[PairSample], transform: FlamingoTransform) -> list[Example]:
    """Return pairs as examples, without augmentation."""
    rng = np.random.default_rng(0)
    return [Example(transform(sample, rng)["images"][0], sample.text) for sample in samples]


@torch.no_grad()
def caption_log_likelihoods(model: Flamingo, items: Sequence[Example], vocabulary: Vocabulary) -> Tensor:
    """Return the log likelihood of every caption with every image, (captions, images), summed over its tokens."""
    model.eval()
    visual = model.encode_images(torch.from_numpy(np.stack([item.pixels for item in items]))[:, None])
    rows = [pair_ids(item.text, vocabulary) for item in items]
    scores = torch.empty(len(items), len(items))
    for number, ids in enumerate(rows):
        tokens = torch.tensor(ids).expand(len(items), -1)
        phi = torch.ones_like(tokens)
        phi[:, 0] = 0
        logits = model(tokens, visual, phi)[:, :-1]
        taken = F.log_softmax(logits.float(), -1).gather(-1, tokens[:, 1:, None])[..., 0]
        scores[number] = taken.sum(1)
    return scores


def right_against_wrong(scores: Tensor) -> Iterator[tuple[str, float]]:
    """Yield how often a caption is likelier with its own image than with another, (M, M) -> share, interval, chance.

    Each caption is compared with one other image, the next in order, so that the cases are independent.
    """
    own = scores.diagonal()
    other = scores.gather(1, ((torch.arange(len(scores)) + 1) % len(scores))[:, None])[:, 0]
    wins = own > other
    low, high = wilson(int(wins.sum()), len(wins))
    yield "right_image_likelier", float(wins.float().mean())
    yield "right_image_likelier_low", low
    yield "right_image_likelier_high", high
    yield "chance", 0.5
    yield "n", float(len(wins))
    yield "nats_gained", float((own - other).mean())


def few_shot_prompt(shots: Sequence[Example], query: Example, vocabulary: Vocabulary) -> tuple[list[int], list[int]]:
    """Return the ids of a k-shot captioning prompt and the places of its image tags."""
    ids, tags = [vocabulary.mark(BOS)], []
    for shot in [*shots, query]:
        tags.append(len(ids))
        ids += vocabulary.ids(f"<image>{PROMPT}")
        if shot is not query:
            ids += [*vocabulary.ids(f" {shot.text}"), vocabulary.eoc]
    return ids, tags


@torch.no_grad()
def caption(model: Flamingo, shots: Sequence[Example], query: Example, vocabulary: Vocabulary) -> str:
    """Return the caption that a model writes for an image, after `shots` examples (greedy)."""
    ids, tags = few_shot_prompt(shots, query, vocabulary)
    phi = make_phi(len(ids), tags, len(tags), look_ahead=False)
    pixels = torch.from_numpy(np.stack([item.pixels for item in [*shots, query]]))[None]
    visual = model.encode_images(pixels)
    stop = (vocabulary.eoc, vocabulary.mark(PAD))
    made = model.generate(torch.tensor([ids]), visual, torch.from_numpy(phi)[None], stop=stop)
    return str(vocabulary.tokenizer.decode(made[0].tolist())).split("\n")[0].strip()
