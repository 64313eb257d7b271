"""Likelihood of captions with their own image and with another's: whether a model looks at the image."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from corpusloom.trainers.evaluation.figures import mean, share
from corpusloom.trainers.flamingo.data import Vocabulary
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.episodes import Example
from corpusloom.trainers.flamingo.prompts.image_encoder import ImageEncoder
from corpusloom.trainers.flamingo.prompts.sequence import score


def caption_log_likelihoods(
    model: Flamingo,
    pairs: Sequence[Sequence[Example]],
    vocabulary: Vocabulary,
    encoder: ImageEncoder | None = None,
) -> Tensor:
    """Return the log likelihood of each pair's first caption with its own image and with the second's: (M, 2).

    A caption is compared with one other image only, so that the comparisons are independent.
    """
    rows = [[item.pixels] for pair in pairs for item in pair]
    texts = [[pair[0].text] for pair in pairs for _ in pair]
    return torch.cat(score(model, rows, texts, vocabulary, encoder)).view(len(pairs), 2)


def right_against_wrong(scores: Tensor) -> Iterator[tuple[str, float]]:
    """Yield the share of captions that are likelier with their own image than with the other, (M, 2), and the gain."""
    yield from share("right_image_likelier", scores[:, 0] > scores[:, 1], 0.5)
    yield "chance", 0.5
    yield "n", float(len(scores))
    yield from mean("nats_gained", scores[:, 0] - scores[:, 1], 0.0)
