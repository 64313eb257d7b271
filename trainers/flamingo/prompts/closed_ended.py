"""Closed-ended questions: candidates are ranked by log likelihood (section 3.3), also over an ensemble of prompts."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from corpusloom.trainers.flamingo.data import Vocabulary, answer
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.episodes import CAPTION, Example, episode, opening_of
from corpusloom.trainers.flamingo.prompts.image_encoder import ImageEncoder
from corpusloom.trainers.flamingo.prompts.sequence import score

ENSEMBLE = 6
"""Orders of the shots in a prompt ensemble (section 3.3)."""


def score_candidates(
    model: Flamingo,
    asked: Sequence[tuple[Example, Sequence[Example]]],
    candidates: Sequence[Sequence[str]],
    vocabulary: Vocabulary,
    prompt: str = CAPTION,
    *,
    permutations: int = 1,
    encoder: ImageEncoder | None = None,
) -> list[Tensor]:
    """Return the log likelihood of each candidate after each query and its shots: (C,) per query.

    `asked` are queries with their shots, `candidates` the texts per query. With several `permutations` of the shots it
    is the mean over that many orders at random; with one the shots stand as they are given. Without shots there are no
    text-only examples, as these are for generation (section 3.3).
    """
    ordered = [
        (number, [shots[place] for place in order])
        for number, (_, shots) in enumerate(asked)
        for order in orders(len(shots), permutations)
    ]
    rows = [episode(asked[number][0], shots, prompt) for number, shots in ordered]
    openings = [opening_of(query, prompt) for query, _ in asked]
    endings = [[answer(opening, text) for text in texts] for opening, texts in zip(openings, candidates, strict=True)]
    found = iter(score(model, rows, [endings[number] for number, _ in ordered], vocabulary, encoder))
    counts = [len(orders(len(shots), permutations)) for _, shots in asked]
    return [torch.stack(list(itertools.islice(found, count))).mean(0) for count in counts]


def orders(shots: int, permutations: int) -> list[tuple[int, ...]]:
    """Return distinct orders of shots: theirs alone, or `permutations` at random, or all if there are fewer."""
    if permutations == 1:
        return [tuple(range(shots))]
    if math.factorial(shots) <= permutations:
        return list(itertools.permutations(range(shots)))
    rng, drawn = np.random.default_rng(0), dict[tuple[int, ...], None]()
    while len(drawn) < permutations:
        drawn[tuple(rng.permutation(shots).tolist())] = None
    return list(drawn)


def probabilities(scores: Tensor) -> Tensor:
    """Return the probability of each candidate among all of its query: log likelihoods (..., C) -> (..., C).

    That of "yes" among "yes" and "no" is what an area under the ROC curve ranks.
    """
    return scores.softmax(-1)
