"""WUPS, the similarity of answers by the similarity of their words (arXiv 1410.0210), as NExT-QA's code takes it."""

import re
from collections.abc import Sequence, Set

from corpusloom.schemas import storage
from corpusloom.trainers.evaluation.answers.wordnet import WordNet

NO_TAGGER = "words are lemmatised without the part-of-speech tagger of NExT-QA's code: not official"
NO_STOP_WORDS = f"no stop word is left out and {NO_TAGGER}"


def load_stop_words(path: str) -> frozenset[str]:
    """Return the words of a file, one per line."""
    return frozenset(storage.read_bytes(path).decode("utf-8", "replace").split())


def lemmas(text: str, wordnet: WordNet, stop_words: Set[str] = frozenset()) -> list[str]:
    """Return the words of an answer that are no stop words, uninflected and in small letters."""
    words = (wordnet.lemma(word) for word in re.findall(r"\w+(?:[-']\w+)*", text.lower()))
    return [word for word in words if word not in stop_words]


def wups(answer: str, reference: str, wordnet: WordNet, stop_words: Set[str] = frozenset()) -> float:
    """Return WUPS at threshold 0: the lower of both directions' products over words of the best similarity.

    A word that is similar to none is left out; the value is 0 if all are.
    """
    words, wanted = (lemmas(text, wordnet, stop_words) for text in (answer, reference))
    return min(_product(words, wanted, wordnet), _product(wanted, words, wordnet))


def _product(words: Sequence[str], others: Sequence[str], wordnet: WordNet) -> float:
    best = [max((wordnet.similarity(word, other) for other in others), default=0.0) for word in words]
    product, similar = 1.0, [value for value in best if value > 0]
    for value in similar:
        product *= value
    return product if similar else 0.0
