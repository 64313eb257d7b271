"""Gopher's quality rules (arXiv 2112.11446, App. A.1.1), as MassiveWeb and so M3W use them."""

from dataclasses import dataclass

from corpusloom.pipelines.filters.text.text_filter import Text
from corpusloom.schemas.config import threshold
from corpusloom.schemas.verdicts import Above, Below, Rule, Scores, at_least, at_most

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
VERSION = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityConfig:
    """Thresholds of Gopher's quality rules, and what counts as a word in them."""

    min_words: int | Above | None = threshold()
    """Words, at least; tokens of punctuation alone do not count (A.1.1)."""
    max_words: int | Below | None = threshold()
    """Words, at most (A.1.1)."""
    min_mean_word_length: float | Above | None = threshold()
    """Mean number of characters per word, at least (A.1.1)."""
    max_mean_word_length: float | Below | None = threshold()
    """Mean number of characters per word, at most (A.1.1)."""
    max_hash_ratio: float | Below | None = threshold()
    """`#` per word, at most (A.1.1)."""
    max_ellipsis_ratio: float | Below | None = threshold()
    """`...` and `…` per word, at most (A.1.1)."""
    max_bullet_lines: float | Below | None = threshold()
    """Share of lines that start with a bullet, at most (A.1.1)."""
    max_ellipsis_lines: float | Below | None = threshold()
    """Share of lines that end with an ellipsis, at most (A.1.1)."""
    min_alphabetic_words: float | Above | None = threshold()
    """Share of words with an alphabetic character, at least (A.1.1)."""
    min_stop_words: int | Above | None = threshold()
    """Different words among the, be, to, of, and, that, have, with, at least (A.1.1)."""
    count_punctuation: bool = False
    """Count punctuation marks as words in the three ratios per word, as datatrove does; the paper speaks of words."""


def measure(page: Text, config: QualityConfig | None = None) -> Scores:
    """Measure a text for Gopher's quality rules.

    A word has a letter or digit. A ratio whose divisor is 0 is left out, so its rule passes; `min_words` rejects such a
    text by its 0 words.
    """
    text, tokens = page.text, page.words
    words = [token for token in tokens if token.isalnum() or any(map(str.isalnum, token))]
    counted = len(tokens) if config is not None and config.count_punctuation else len(words)
    scores: Scores = {"words": float(len(words))}
    if words:
        scores["mean_word_length"] = sum(map(len, words)) / len(words)
    if counted:
        alphabetic = sum(word.isalpha() or any(map(str.isalpha, word)) for word in words)
        scores["hash_ratio"] = text.count("#") / counted
        scores["ellipsis_ratio"] = (text.count("...") + text.count("…")) / counted
        scores["alphabetic_words"] = alphabetic / counted
        scores["stop_words"] = float(len(STOP_WORDS.intersection(tokens)))
    lines = text.splitlines()
    if lines:
        scores["bullet_lines"] = sum(line.lstrip().startswith(("•", "-")) for line in lines) / len(lines)
        scores["ellipsis_lines"] = sum(line.rstrip().endswith(("...", "…")) for line in lines) / len(lines)
    return scores


def rules(config: QualityConfig) -> tuple[Rule, ...]:
    """Return the rules in datatrove's order; all comparisons are inclusive, as the paper rejects beyond a bound."""
    return (
        at_least("too_few_words", "words", config.min_words),
        at_most("too_many_words", "words", config.max_words),
        at_least("short_words", "mean_word_length", config.min_mean_word_length),
        at_most("long_words", "mean_word_length", config.max_mean_word_length),
        at_most("too_many_hashes", "hash_ratio", config.max_hash_ratio),
        at_most("too_many_ellipses", "ellipsis_ratio", config.max_ellipsis_ratio),
        at_most("too_many_bullet_lines", "bullet_lines", config.max_bullet_lines),
        at_most("too_many_ellipsis_lines", "ellipsis_lines", config.max_ellipsis_lines),
        at_least("too_few_alphabetic_words", "alphabetic_words", config.min_alphabetic_words),
        at_least("too_few_stop_words", "stop_words", config.min_stop_words),
    )
