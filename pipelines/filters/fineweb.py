"""FineWeb's own rules (arXiv 2406.17557, §3.6), counted as datatrove counts them."""

from dataclasses import dataclass

from corpusloom.pipelines.filters.gopher_repetition import count_duplicates
from corpusloom.pipelines.filters.text.text_filter import Text
from corpusloom.schemas.config import threshold
from corpusloom.schemas.verdicts import Above, Below, Rule, Scores, at_least, at_most

TERMINALS = (".", "!", "?", "…", "。", "！", "？", "．", "｡", "؟", "۔", "।", "॥", "‽", "⁇", "⁈", "⁉", "‼", "።", "։")
SHORT_LINE = 30
"""A line of at most this many characters is short (code: <=)."""
VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class FineWebConfig:
    """Thresholds of FineWeb's rules."""

    min_line_punctuation: float | Above | None = threshold()
    """Share of lines that end in punctuation, at least (§3.6; code: <)."""
    max_short_lines: float | Below | None = threshold()
    """Share of lines with 30 characters or fewer, at most (§3.6)."""
    max_duplicate_characters: float | Below | None = threshold()
    """Characters in repeated lines / all characters, at most (App. E.4 and code; §3.6 says 0.1)."""
    max_new_lines_per_word: float | Below | None = threshold()
    """Newlines per token, at most (code only)."""


def measure(page: Text, config: FineWebConfig | None = None) -> Scores:
    """Measure a text for FineWeb's rules. Blank lines do not count."""
    text, words = page.text, page.words
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
        at_least("unpunctuated_lines", "fineweb_line_punctuation", config.min_line_punctuation),
        at_most("short_lines", "fineweb_short_lines", config.max_short_lines),
        at_most("repeated_line_characters", "fineweb_duplicate_characters", config.max_duplicate_characters),
        at_most("too_many_new_lines", "fineweb_new_lines_per_word", config.max_new_lines_per_word),
    )
