"""Quality rules of Gopher (arXiv 2112.11446, App. A.1.1)."""

from dataclasses import dataclass

from pipelines.filters.words import lines, tokens, words
from schemas.verdicts import Rule, Scores, Verdict, decide

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityConfig:
    """Thresholds of App. A.1.1; None turns a rule off."""

    min_words: float | None = 50
    max_words: float | None = 100_000
    min_mean_word_length: float | None = 3
    max_mean_word_length: float | None = 10
    max_hash_ratio: float | None = 0.1
    """`#` a word."""
    max_ellipsis_ratio: float | None = 0.1
    """`...` and `…` a word."""
    max_bullet_lines: float | None = 0.9
    max_ellipsis_lines: float | None = 0.3
    min_alphabetic_words: float | None = 0.8
    min_stop_words: float | None = 2
    """Distinct ones of the, be, to, of, and, that, have, with."""


def measure_quality(text: str) -> Scores:
    """Return the measures of App. A.1.1; shares of an empty text are 0."""
    all_tokens, kept, rows = tokens(text), words(text), lines(text)
    total = max(len(all_tokens), 1)
    return {
        "words": float(len(kept)),
        "mean_word_length": sum(map(len, kept)) / max(len(kept), 1),
        "hash_ratio": text.count("#") / total,
        "ellipsis_ratio": (text.count("...") + text.count("…")) / total,
        "bullet_lines": sum(row.lstrip().startswith(("•", "-")) for row in rows) / max(len(rows), 1),
        "ellipsis_lines": sum(row.rstrip().endswith(("...", "…")) for row in rows) / max(len(rows), 1),
        "alphabetic_words": sum(any(map(str.isalpha, token)) for token in all_tokens) / total,
        "stop_words": float(len(STOP_WORDS.intersection(all_tokens))),
    }


def rules(config: QualityConfig) -> tuple[Rule, ...]:
    """Return the rules in the paper's order."""
    bounds = (
        ("too_few_words", "words", config.min_words, None),
        ("too_many_words", "words", None, config.max_words),
        ("words_too_short", "mean_word_length", config.min_mean_word_length, None),
        ("words_too_long", "mean_word_length", None, config.max_mean_word_length),
        ("too_many_hashes", "hash_ratio", None, config.max_hash_ratio),
        ("too_many_ellipses", "ellipsis_ratio", None, config.max_ellipsis_ratio),
        ("too_many_bullets", "bullet_lines", None, config.max_bullet_lines),
        ("too_many_ellipsis_lines", "ellipsis_lines", None, config.max_ellipsis_lines),
        ("too_few_alphabetic_words", "alphabetic_words", config.min_alphabetic_words, None),
        ("too_few_stop_words", "stop_words", config.min_stop_words, None),
    )
    return tuple(
        Rule(reason=reason, score=score, minimum=low, maximum=high)
        for reason, score, low, high in bounds
        if low is not None or high is not None
    )


def quality(text: str, config: QualityConfig) -> Verdict:
    """Return the verdict of Gopher's quality rules on a text."""
    return decide(measure_quality(text), rules(config))
