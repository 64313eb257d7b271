"""Explicit-text filter: counts words of a given list (M3W's own filter is unpublished: arXiv 2204.14198, A.3.1)."""

from dataclasses import dataclass

from corpusloom.pipelines.filters.text.text_filter import Text
from corpusloom.schemas.config import threshold
from corpusloom.schemas.verdicts import Below, Rule, Scores, at_most

VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplicitConfig:
    """Thresholds for listed words in a page; without a list (`filters.lists.bad_words`) nothing is measured."""

    max_share: float | Below | None = threshold()
    """Share of words that are listed, at most (OBELICS' value for flagged words, Table 3)."""
    max_words: int | Below | None = threshold()
    """Listed words, at most; C4 allows 0 (§2.2)."""


def measure(text: Text, config: ExplicitConfig | None = None) -> Scores:
    """Return the number and the share of a text's words that are listed; no scores without a list."""
    listed = text.lists.bad_words
    if listed is None:
        return {}
    count = sum(word.lower() in listed for word in text.words)
    return {"explicit_words": float(count), "explicit_share": count / len(text.words) if text.words else 0.0}


def rules(config: ExplicitConfig) -> tuple[Rule, ...]:
    """Return the rules for pages."""
    return (
        at_most("explicit_text", "explicit_share", config.max_share),
        at_most("explicit_words", "explicit_words", config.max_words),
    )
