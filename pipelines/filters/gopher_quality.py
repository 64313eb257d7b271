"""Gopher's quality rules (arXiv 2112.11446, App. A.1.1), as MassiveWeb and so M3W use them."""

from collections.abc import Sequence
from dataclasses import dataclass

from corpusloom.pipelines.filters.words import split_words
from corpusloom.schemas.verdicts import Rule, Scores, Verdict, decide

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityConfig:
    """Thresholds of Gopher's quality rules; None turns one off."""

    min_words: int | None = 50
    """Words at least; tokens of punctuation alone do not count (A.1.1)."""
    max_words: int | None = 100_000
    """Words at most (A.1.1)."""
    min_mean_word_length: float | None = 3.0
    """Characters a word at least, on average (A.1.1)."""
    max_mean_word_length: float | None = 10.0
    """Characters a word at most, on average (A.1.1)."""
    max_hash_ratio: float | None = 0.1
    """`#` a token at most (A.1.1)."""
    max_ellipsis_ratio: float | None = 0.1
    """`...` and `…` a token at most (A.1.1)."""
    max_bullet_lines: float | None = 0.9
    """Share of lines that start with a bullet, at most (A.1.1)."""
    max_ellipsis_lines: float | None = 0.3
    """Share of lines that end with an ellipsis, at most (A.1.1)."""
    min_alphabetic_words: float | None = 0.8
    """Share of tokens with an alphabetic character, at least (A.1.1)."""
    min_stop_words: int | None = 2
    """Different words among the, be, to, of, and, that, have, with, at least (A.1.1)."""


def measure_quality(text: str, words: Sequence[str] | None = None) -> Scores:
    """Measure a text for Gopher's quality rules; `words` are its tokens when they are known.

    A ratio with nothing to divide by is left out, so its rule passes: `words` is 0 then and says no.
    """
    words = split_words(text) if words is None else words
    spelt = [word for word in words if word.isalnum() or any(map(str.isalnum, word))]
    scores: Scores = {"words": float(len(spelt))}
    if spelt:
        scores["mean_word_length"] = sum(map(len, spelt)) / len(spelt)
    if words:
        alphabetic = sum(word.isalpha() or any(map(str.isalpha, word)) for word in spelt)
        scores["hash_ratio"] = text.count("#") / len(words)
        scores["ellipsis_ratio"] = (text.count("...") + text.count("…")) / len(words)
        scores["alphabetic_words"] = alphabetic / len(words)
        scores["stop_words"] = float(len(STOP_WORDS.intersection(words)))
    lines = text.splitlines()
    if lines:
        scores["bullet_lines"] = sum(line.lstrip().startswith(("•", "-")) for line in lines) / len(lines)
        scores["ellipsis_lines"] = sum(line.rstrip().endswith(("...", "…")) for line in lines) / len(lines)
    return scores


def rules(config: QualityConfig) -> tuple[Rule, ...]:
    """Return the rules in datatrove's order; all comparisons are inclusive, as the paper rejects beyond a bound."""
    return (
        Rule(reason="too_few_words", score="words", minimum=config.min_words),
        Rule(reason="too_many_words", score="words", maximum=config.max_words),
        Rule(reason="short_words", score="mean_word_length", minimum=config.min_mean_word_length),
        Rule(reason="long_words", score="mean_word_length", maximum=config.max_mean_word_length),
        Rule(reason="too_many_hashes", score="hash_ratio", maximum=config.max_hash_ratio),
        Rule(reason="too_many_ellipses", score="ellipsis_ratio", maximum=config.max_ellipsis_ratio),
        Rule(reason="too_many_bullet_lines", score="bullet_lines", maximum=config.max_bullet_lines),
        Rule(reason="too_many_ellipsis_lines", score="ellipsis_lines", maximum=config.max_ellipsis_lines),
        Rule(reason="too_few_alphabetic_words", score="alphabetic_words", minimum=config.min_alphabetic_words),
        Rule(reason="too_few_stop_words", score="stop_words", minimum=config.min_stop_words),
    )


def quality(text: str, config: QualityConfig | None = None) -> Verdict:
    """Judge a text by Gopher's quality rules."""
    return decide(measure_quality(text), rules(config or QualityConfig()))
