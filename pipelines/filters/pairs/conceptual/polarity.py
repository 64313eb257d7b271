"""Polarity of a text by textblob's lexicon, which ships with its package: -1 is negative, 1 is positive."""

from functools import lru_cache
from typing import Any

from corpusloom.pipelines.filters.pairs.conceptual.textblob_tagger import load_english

VERSION = 1


@lru_cache(maxsize=1)
def _sentiment() -> Any:
    sentiment = load_english().sentiment
    sentiment("good")  # reads the lexicon
    return sentiment


def measure_polarity(text: str) -> float:
    """Return the mean polarity of a text's words that the lexicon has, negation and intensifiers included.

    It is from -1 to 1, rounded to 4 digits, and 0 for a text without such words.
    """
    return round(float(_sentiment()(text)[0]), 4)
