"""OBELICS' text measures for paragraphs and pages (arXiv 2306.16527, App. A.1, Table 3)."""

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

import numpy as np

from corpusloom.pipelines.filters.text.ngrams import NgramHashes, run_lengths
from corpusloom.pipelines.filters.text.text_filter import Text, WordLists
from corpusloom.schemas.config import threshold
from corpusloom.schemas.verdicts import Above, Below, Rule, Scores, Verdict, at_least, at_most, decide

VERSION = 1
CHARACTER_NGRAM = 10
WORD_NGRAM = 5
_PUNCTUATION = frozenset([*".,;:!?\"'()[]-–—…“”‘’«»/", "..."])
_EDGES = re.compile(r"^[\W_]++|(?<![\W_])[\W_]++$")
_ASCII_SPECIAL = bytes(code for code in range(128) if not chr(code).isalpha())


@dataclass(frozen=True, kw_only=True, slots=True)
class TextRules:
    """Thresholds of OBELICS' text measures, for a paragraph or a page."""

    min_words: int | Above | None = threshold()
    """Words, at least (Table 3)."""
    max_words: int | Below | None = threshold()
    """Words, at most (Table 3)."""
    max_character_repetition: float | Below | None = threshold()
    """Share of the most frequent 10-grams of characters, at most (Table 3)."""
    max_word_repetition: float | Below | None = threshold()
    """Share of repeated 5-grams of words, at most (Table 3)."""
    max_special_characters: float | Below | None = threshold()
    """Share of characters that are not letters, at most: marks, digits and, as in OBELICS' code, blanks (Table 3)."""
    min_stop_words: float | Above | None = threshold()
    """Share of words that are stop words, at least (Table 3)."""
    max_flagged_words: float | Below | None = threshold()
    """Share of words in `filters.lists.flagged_words`, at most (Table 3); needs that list."""
    min_punctuation: float | Above | None = threshold()
    """Share of tokens that are punctuation marks, at least (Table 3)."""
    max_spam_words: float | Below | None = threshold()
    """Share of words such as share, tweet, cookies, at most (Table 3)."""
    min_common_words: float | Above | None = threshold()
    """Share of words in `filters.lists.common_words`, at least (Table 3); needs that list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ObelicsConfig:
    """OBELICS' text rules: a paragraph that fails is removed from its page; a page that fails is rejected."""

    page: TextRules = field(default_factory=TextRules)
    """Thresholds of the page level (Table 3)."""
    paragraph: TextRules = field(default_factory=TextRules)
    """Thresholds of the paragraph level (Table 3)."""
    min_paragraph_words_for_punctuation: int = 12
    """Words of a paragraph that `paragraph.min_punctuation` applies to, at least (Table 3)."""


@lru_cache(maxsize=4)
def word_list(name: str) -> frozenset[str]:
    """Return one of the word lists beside this module: `stop_words` or `spam_words`, lower case."""
    text = resources.files("corpusloom.pipelines.filters").joinpath(f"{name}.txt").read_text("utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


def plain_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without marks at their edges, as OBELICS counts them."""
    words = [word if word.isalnum() else _EDGES.sub("", word) for word in text.lower().split()]
    return list(filter(None, words))


def special_characters(text: str) -> float:
    """Return the share of characters that are not letters; blanks count among them, as in OBELICS' code."""
    if not text:
        return 0.0
    if text.isascii():
        letters = len(text.encode("ascii").translate(None, _ASCII_SPECIAL))
    else:
        letters = sum(map(str.isalpha, text))
    return (len(text) - letters) / len(text)


def character_repetition(text: str, size: int = CHARACTER_NGRAM) -> float:
    """Return the share of the floor(sqrt(distinct)) most frequent n-grams, of which those seen once do not count.

    n-grams are compared by 64-bit hashes.
    """
    total = len(text) - size + 1
    if total < 1:
        return 0.0
    hashes = NgramHashes(text, np.arange(len(text) + 1)).of(size)
    counts = np.sort(run_lengths(np.sort(hashes))[1])
    repeated = int(np.count_nonzero(counts > 1))
    chosen = min(math.isqrt(len(counts)), repeated)
    return float(counts[len(counts) - chosen :].sum()) / total


def word_repetition(words: Sequence[str], size: int = WORD_NGRAM) -> float:
    """Return the share of n-grams of words that occur more than once, every occurrence counted."""
    ngrams = list(zip(*(words[start:] for start in range(size)), strict=False))
    if len(set(ngrams)) == len(ngrams):
        return 0.0
    return sum(count for count in Counter(ngrams).values() if count > 1) / len(ngrams)


def _share(words: Sequence[str], listed: Collection[str]) -> float:
    return sum(map(listed.__contains__, words)) / len(words) if words else 0.0


def measure(page: Text, config: ObelicsConfig | None = None) -> Scores:
    """Measure a paragraph or a page by OBELICS' metrics; a score whose word list is missing is left out."""
    text = page.text
    words = plain_words(text)
    scores: Scores = {
        "obelics_words": float(len(words)),
        "obelics_character_repetition": character_repetition(text),
        "obelics_word_repetition": word_repetition(words),
        "obelics_special_characters": special_characters(text),
        "obelics_stop_words": _share(words, word_list("stop_words")),
        "obelics_punctuation": _share(page.words, _PUNCTUATION),
        "obelics_spam_words": _share(words, word_list("spam_words")),
    }
    if page.lists.flagged_words is not None:
        scores["obelics_flagged_words"] = _share(words, page.lists.flagged_words)
    if page.lists.common_words is not None:
        scores["obelics_common_words"] = _share(words, page.lists.common_words)
    return scores


def text_rules(config: TextRules) -> tuple[Rule, ...]:
    """Return the rules of one level (page or paragraph); spam words come last, as in OBELICS' step 13."""
    return (
        at_least("too_few_words", "obelics_words", config.min_words),
        at_most("too_many_words", "obelics_words", config.max_words),
        at_most("character_repetition", "obelics_character_repetition", config.max_character_repetition),
        at_most("word_repetition", "obelics_word_repetition", config.max_word_repetition),
        at_most("special_characters", "obelics_special_characters", config.max_special_characters),
        at_least("too_few_stop_words", "obelics_stop_words", config.min_stop_words),
        at_most("flagged_words", "obelics_flagged_words", config.max_flagged_words),
        at_least("too_little_punctuation", "obelics_punctuation", config.min_punctuation),
        at_least("too_few_common_words", "obelics_common_words", config.min_common_words),
        at_most("spam_words", "obelics_spam_words", config.max_spam_words),
    )


def rules(config: ObelicsConfig) -> tuple[Rule, ...]:
    """Return the rules for pages."""
    return text_rules(config.page)


def paragraph(text: str, config: ObelicsConfig, lists: WordLists | None = None) -> Verdict:
    """Judge one paragraph; the caller removes a rejected paragraph from its page.

    A short paragraph has no punctuation score, so that rule passes.
    """
    scores = measure(Text(text, lists or WordLists()))
    if scores["obelics_words"] < config.min_paragraph_words_for_punctuation:
        del scores["obelics_punctuation"]
    return decide(scores, text_rules(config.paragraph))
