"""WUPS, the similarity of answers by the similarity of their words (arXiv 1410.0210), as NExT-QA's code takes it."""

import re
from collections.abc import Sequence

from corpusloom.trainers.evaluation.answers.wordnet import WordNet


def wups(answer: str, reference: str, wordnet: WordNet) -> float:
    """Return WUPS at threshold 0: the lower of both directions' products over words of the best similarity.

    A word that is similar to none is left out; the value is 0 if all are.
    """
    words, wanted = _words(answer), _words(reference)
    return min(_product(words, wanted, wordnet), _product(wanted, words, wordnet))


def _product(words: Sequence[str], others: Sequence[str], wordnet: WordNet) -> float:
    best = [max((wordnet.similarity(word, other) for other in others), default=0.0) for word in words]
    product, similar = 1.0, [value for value in best if value > 0]
    for value in similar:
        product *= value
    return product if similar else 0.0


def _words(text: str) -> list[str]:
    return re.findall(r"\w+(?:[-']\w+)*", text.lower())
