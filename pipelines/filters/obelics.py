"""OBELICS' text measures for paragraphs and pages (arXiv 2306.16527, App. A.1, Table 3)."""

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

import numpy as np

from corpusloom.pipelines.filters.ngrams import NgramHashes, run_lengths
from corpusloom.pipelines.filters.words import split_words
from corpusloom.schemas.verdicts import Rule, Scores, Verdict, decide

CHARACTER_NGRAM = 10
WORD_NGRAM = 5
_PUNCTUATION = frozenset([*".,;:!?\"'()[]-–—…“”‘’«»/", "..."])
_EDGES = re.compile(r"^[\W_]++|(?<![\W_])[\W_]++$")
_ASCII_SPECIAL = bytes(code for code in range(128) if not chr(code).isalpha())


@dataclass(frozen=True, kw_only=True, slots=True)
class TextRules:
    """Thresholds of OBELICS' text measures, for a paragraph or a page; None turns one off."""

    min_words: int | None = 10
    """Words at least (Table 3)."""
    max_words: int | None = 2_000
    """Words at most (Table 3)."""
    max_character_repetition: float | None = 0.1
    """Share of the most frequent 10-grams of characters (Table 3)."""
    max_word_repetition: float | None = 0.2
    """Share of repeated 5-grams of words (Table 3)."""
    max_special_characters: float | None = 0.275
    """Share of characters that are not letters: marks, digits, blanks too, as its code counts (Table 3)."""
    min_stop_words: float | None = 0.35
    """Share of words that are stop words (Table 3)."""
    max_flagged_words: float | None = 0.01
    """Share of words of a given list (Table 3); not measured without a list."""
    min_punctuation: float | None = 0.03
    """Share of marks among words and marks (Table 3)."""
    max_spam_words: float | None = 0.12
    """Share of words such as share, tweet, cookies (Table 3)."""
    min_common_words: float | None = 0.9
    """Share of words of a given list of common ones (Table 3); not measured without a list."""
    max_perplexity: float | None = 1_500.0
    """KenLM perplexity (Table 3); not measured without a model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ObelicsConfig:
    """OBELICS' text rules: a paragraph that fails is removed and the page stays; a page that fails goes."""

    page: TextRules = field(default_factory=TextRules)
    """Thresholds of the page level (Table 3)."""
    paragraph: TextRules = field(
        default_factory=lambda: TextRules(
            min_words=4,
            max_words=1_000,
            max_word_repetition=0.1,
            max_special_characters=0.3,
            min_stop_words=0.3,
            min_punctuation=0.001,
            min_common_words=0.8,
            max_perplexity=None,
        )
    )
    """Thresholds of the paragraph level (Table 3); perplexity is off in the published configuration."""
    min_paragraph_words_for_punctuation: int = 12
    """A shorter paragraph is not judged by its punctuation (Table 3)."""


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
    """Return the share of the floor(sqrt(distinct)) most frequent n-grams, never counting those seen once.

    n-grams are told apart by 64-bit hashes.
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
    """Return the occurrences of n-grams seen more than once / all occurrences."""
    ngrams = list(zip(*(words[start:] for start in range(size)), strict=False))
    if len(set(ngrams)) == len(ngrams):
        return 0.0
    return sum(count for count in Counter(ngrams).values() if count > 1) / len(ngrams)


def _share(words: Sequence[str], listed: Collection[str]) -> float:
    return sum(map(listed.__contains__, words)) / len(words) if words else 0.0


def measure_obelics(
    text: str,
    tokens: Sequence[str] | None = None,
    *,
    flagged_words: Collection[str] | None = None,
    common_words: Collection[str] | None = None,
    perplexity: float | None = None,
) -> Scores:
    """Measure a paragraph or a page by OBELICS' metrics; what needs a list or a model is left out without it.

    `tokens` are those of `split_words`, when they are known: marks are counted among them.
    """
    words = plain_words(text)
    tokens = split_words(text) if tokens is None else tokens
    scores: Scores = {
        "obelics_words": float(len(words)),
        "obelics_character_repetition": character_repetition(text),
        "obelics_word_repetition": word_repetition(words),
        "obelics_special_characters": special_characters(text),
        "obelics_stop_words": _share(words, word_list("stop_words")),
        "obelics_punctuation": _share(tokens, _PUNCTUATION),
        "obelics_spam_words": _share(words, word_list("spam_words")),
    }
    if flagged_words is not None:
        scores["obelics_flagged_words"] = _share(words, flagged_words)
    if common_words is not None:
        scores["obelics_common_words"] = _share(words, common_words)
    if perplexity is not None:
        scores["obelics_perplexity"] = perplexity
    return scores


def text_rules(config: TextRules) -> tuple[Rule, ...]:
    """Return the rules of one level, spam words last as in OBELICS' step 13."""
    return (
        Rule(reason="too_few_words", score="obelics_words", minimum=config.min_words),
        Rule(reason="too_many_words", score="obelics_words", maximum=config.max_words),
        Rule(
            reason="character_repetition",
            score="obelics_character_repetition",
            maximum=config.max_character_repetition,
        ),
        Rule(reason="word_repetition", score="obelics_word_repetition", maximum=config.max_word_repetition),
        Rule(reason="special_characters", score="obelics_special_characters", maximum=config.max_special_characters),
        Rule(reason="too_few_stop_words", score="obelics_stop_words", minimum=config.min_stop_words),
        Rule(reason="flagged_words", score="obelics_flagged_words", maximum=config.max_flagged_words),
        Rule(reason="too_little_punctuation", score="obelics_punctuation", minimum=config.min_punctuation),
        Rule(reason="too_few_common_words", score="obelics_common_words", minimum=config.min_common_words),
        Rule(reason="perplexity", score="obelics_perplexity", maximum=config.max_perplexity),
        Rule(reason="spam_words", score="obelics_spam_words", maximum=config.max_spam_words),
    )


def rules(config: ObelicsConfig) -> tuple[Rule, ...]:
    """Return the rules for pages."""
    return text_rules(config.page)


def measure_paragraph(
    text: str,
    config: ObelicsConfig,
    *,
    flagged_words: Collection[str] | None = None,
    common_words: Collection[str] | None = None,
) -> Scores:
    """Measure one paragraph; a short one has no punctuation score, so that rule passes."""
    scores = measure_obelics(text, flagged_words=flagged_words, common_words=common_words)
    if scores["obelics_words"] < config.min_paragraph_words_for_punctuation:
        del scores["obelics_punctuation"]
    return scores


def paragraph(
    text: str,
    config: ObelicsConfig | None = None,
    *,
    flagged_words: Collection[str] | None = None,
    common_words: Collection[str] | None = None,
) -> Verdict:
    """Judge one paragraph; a rejected one is removed from its page, which stays."""
    config = config or ObelicsConfig()
    scores = measure_paragraph(text, config, flagged_words=flagged_words, common_words=common_words)
    return decide(scores, text_rules(config.paragraph))


def obelics(text: str, config: ObelicsConfig | None = None) -> Verdict:
    """Judge a page's text by OBELICS' rules."""
    return decide(measure_obelics(text), rules(config or ObelicsConfig()))
