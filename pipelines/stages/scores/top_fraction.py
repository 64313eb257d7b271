"""The threshold of the best share of the scores, from their counts per value: no scores are sorted or held."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import ceil

from corpusloom.pipelines.models.clip_encoder import DIGITS
from corpusloom.schemas import storage

UNIT = 10**DIGITS
"""A score is counted as a whole number of ten-thousandths; a cosine has at most 20,001 values."""


def add_counts(parts: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Return the sums of counts per value."""
    total: Counter[int] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def read_score_counts(path: str) -> dict[int, int]:
    """Return the counts per value that a pipeline wrote."""
    return dict(json.loads(storage.read_bytes(path)))


def top_threshold(counts: Mapping[int, int], fraction: float) -> float:
    """Return the largest score that at least `fraction` of all scores reach; without scores, 0.

    Scores that are equal to it are all kept, so more than the share can be.
    """
    wanted = ceil(Fraction(str(fraction)) * sum(counts.values()))
    for value in sorted(counts, reverse=True):
        wanted -= counts[value]
        if wanted <= 0:
            return value / UNIT
    return 0.0
