"""FineWeb's own rules (arXiv 2406.17557, §3.6), counted as datatrove counts them."""

from collections.abc import Sequence
from dataclasses import dataclass

from corpusloom.pipelines.filters.gopher_repetition import count_duplicates
from corpusloom.pipelines.filters.words import split_words
from corpusloom.schemas.verdicts import Rule, Scores, Verdict, decide

TERMINALS = (".", "!", "?", "…", "。", "！", "？", "．", "｡", "؟", "۔", "।", "॥", "‽", "⁇", "⁈", "⁉", "‼", "።", "։")
SHORT_LINE = 30
"""Characters: a line of at most so many is short (code: <=)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FineWebConfig:
    """Thresholds of FineWeb's rules; None turns one off."""

    min_line_punctuation: float | None = 0.12
    """Share of lines that end in punctuation, at least (§3.6; code: <)."""
    max_short_lines: float | None = 0.67
    """Share of lines of at most 30 characters (§3.6)."""
    max_duplicate_characters: float | None = 0.01
    """Characters in repeated lines / characters (App. E.4 and code; §3.6 says 0.1)."""
    max_new_lines_per_word: float | None = 0.3
    """New lines a token (code only)."""


def measure_fineweb(text: str, words: Sequence[str] | None = None) -> Scores:
    """Measure a text for FineWeb's rules; `words` are its tokens when they are known. Blank lines do not count."""
    words = split_words(text) if words is None else words
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return {}
    scores: Scores = {
        "fineweb_line_punctuation": sum(line.endswith(TERMINALS) for line in lines) / len(lines),
        "fineweb_short_lines": sum(len(line) <= SHORT_LINE for line in lines) / len(lines),
        "fineweb_duplicate_characters": count_duplicates(lines)[1] / len(text.replace("\n", "")),
    }
    if words:
        scores["fineweb_new_lines_per_word"] = text.count("\n") / len(words)
    return scores


def rules(config: FineWebConfig) -> tuple[Rule, ...]:
    """Return the rules in datatrove's order."""
    return (
        Rule(reason="unpunctuated_lines", score="fineweb_line_punctuation", minimum=config.min_line_punctuation),
        Rule(reason="short_lines", score="fineweb_short_lines", maximum=config.max_short_lines),
        Rule(
            reason="repeated_line_characters",
            score="fineweb_duplicate_characters",
            maximum=config.max_duplicate_characters,
        ),
        Rule(reason="too_many_new_lines", score="fineweb_new_lines_per_word", maximum=config.max_new_lines_per_word),
    )


def fineweb(text: str, config: FineWebConfig | None = None) -> Verdict:
    """Judge a text by FineWeb's rules."""
    return decide(measure_fineweb(text), rules(config or FineWebConfig()))
