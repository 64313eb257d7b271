"""Explicit text, by word lists given by path (M3W drops it by unpublished filters: arXiv 2204.14198, A.3.1)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from corpusloom.schemas.verdicts import Rule, Scores


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplicitConfig:
    """How many listed words a page may hold; without a list (`filters.lists.bad_words`) nothing is measured."""

    max_share: float | None = 0.01
    """Share of words that are listed, at most (OBELICS' value for flagged words, Table 3)."""
    max_words: int | None = None
    """Listed words at most; C4's rule is 0 (§2.2)."""


def measure_explicit(words: Sequence[str], bad_words: Collection[str] | None) -> Scores:
    """Return how many of the words are listed and their share; nothing without a list."""
    if bad_words is None:
        return {}
    count = sum(word.lower() in bad_words for word in words)
    return {"explicit_words": float(count), "explicit_share": count / len(words) if words else 0.0}


def rules(config: ExplicitConfig) -> tuple[Rule, ...]:
    """Return the rules for pages."""
    return (
        Rule(reason="explicit_text", score="explicit_share", maximum=config.max_share),
        Rule(reason="explicit_words", score="explicit_words", maximum=config.max_words),
    )
