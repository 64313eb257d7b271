"""Gopher's repetition rules (arXiv 2112.11446, App. A.1.1, Table A1), counted as datatrove counts them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from corpusloom.pipelines.filters.text.ngrams import NgramHashes, has_repeats, most_frequent
from corpusloom.pipelines.filters.text.text_filter import Text
from corpusloom.schemas.config import threshold
from corpusloom.schemas.verdicts import Below, Rule, Scores, at_most

VERSION = 1
TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)
_PARAGRAPH_BREAK = re.compile(r"\n{2,}")
_LINE_BREAK = re.compile(r"\n+")


@dataclass(frozen=True, kw_only=True, slots=True)
class RepetitionConfig:
    """Thresholds of Gopher's repetition rules, each the largest share that is kept."""

    max_duplicate_lines: float | Below | None = threshold()
    """Second and later copies of a line / all lines (Table A1)."""
    max_duplicate_paragraphs: float | Below | None = threshold()
    """Second and later copies of a paragraph / all paragraphs (Table A1)."""
    max_duplicate_line_characters: float | Below | None = threshold()
    """Characters in second and later copies of a line / all characters (Table A1)."""
    max_duplicate_paragraph_characters: float | Below | None = threshold()
    """Characters in second and later copies of a paragraph / all characters (Table A1)."""
    max_top_2_gram: float | Below | None = threshold()
    """Characters of all occurrences of the most frequent 2-gram of words / all characters (Table A1)."""
    max_top_3_gram: float | Below | None = threshold()
    """The same for 3-grams (Table A1)."""
    max_top_4_gram: float | Below | None = threshold()
    """The same for 4-grams (Table A1)."""
    max_duplicate_5_gram: float | Below | None = threshold()
    """Characters in repeated 5-grams of words / all characters (Table A1)."""
    max_duplicate_6_gram: float | Below | None = threshold()
    """The same for 6-grams (Table A1)."""
    max_duplicate_7_gram: float | Below | None = threshold()
    """The same for 7-grams (Table A1)."""
    max_duplicate_8_gram: float | Below | None = threshold()
    """The same for 8-grams (Table A1)."""
    max_duplicate_9_gram: float | Below | None = threshold()
    """The same for 9-grams (Table A1)."""
    max_duplicate_10_gram: float | Below | None = threshold()
    """The same for 10-grams (Table A1)."""


def count_duplicates(items: Iterable[str]) -> tuple[int, int]:
    """Return the number of items that repeat an earlier one, and the number of their characters."""
    seen: set[str] = set()
    count = characters = 0
    for item in items:
        if item in seen:
            count += 1
            characters += len(item)
        else:
            seen.add(item)
    return count, characters


def _greedy_duplicates(joined: str, ends: Sequence[int], size: int) -> int:
    """Return the number of characters in repeated n-grams; after a repeat the scan continues behind it.

    n-grams are compared without blanks between words, as datatrove does. `joined`: the words without blanks.
    `ends` [words + 1]: 0 and the position in `joined` at which each word ends.
    """
    seen: set[str] = set()
    characters = index = 0
    while index < len(ends) - size:
        ngram = joined[ends[index] : ends[index + size]]
        if ngram in seen:
            characters += len(ngram)
            index += size
        else:
            seen.add(ngram)
            index += 1
    return characters


def measure_ngrams(text: str, words: Sequence[str]) -> Scores:
    """Measure the shares of a text's characters in its most frequent and in its repeated n-grams of words.

    n-grams are compared by hashes: a text without repeats, the usual case, costs one sort per size and builds no
    string.
    """
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    spaced = np.concatenate(([0], np.cumsum(lengths + 1)))
    hashes = NgramHashes(" ".join((*words, "")), spaced)
    scores: Scores = {}
    for size in TOP_SIZES:
        found = hashes.of(size)
        first, count = most_frequent(found) if len(found) else (0, 0)
        characters = int(spaced[first + size] - spaced[first] - 1) * count if count else 0
        scores[f"top_{size}_gram"] = characters / len(text)
    joined, ends = "".join(words), np.concatenate(([0], np.cumsum(lengths)))
    hashes = NgramHashes(joined, ends)
    for size in DUPLICATE_SIZES:
        repeats = has_repeats(hashes.of(size))
        scores[f"duplicate_{size}_gram"] = (
            _greedy_duplicates(joined, ends.tolist(), size) / len(text) if repeats else 0.0
        )
    return scores


def measure(page: Text, config: RepetitionConfig | None = None) -> Scores:
    """Measure a text for Gopher's repetition rules: shares of its lines, paragraphs and characters."""
    text, words = page.text, page.words
    if not text:
        return {}
    paragraphs = _PARAGRAPH_BREAK.split(text.strip())
    lines = _LINE_BREAK.split(text)
    paragraph_count, paragraph_characters = count_duplicates(paragraphs)
    line_count, line_characters = count_duplicates(lines)
    scores: Scores = {
        "duplicate_paragraphs": paragraph_count / len(paragraphs),
        "duplicate_paragraph_characters": paragraph_characters / len(text),
        "duplicate_lines": line_count / len(lines),
        "duplicate_line_characters": line_characters / len(text),
    }
    return scores | measure_ngrams(text, words)


def rules(config: RepetitionConfig) -> tuple[Rule, ...]:
    """Return the rules in datatrove's order; a share equal to its bound passes. The reason is the score's name."""
    return (
        at_most("duplicate_paragraphs", "duplicate_paragraphs", config.max_duplicate_paragraphs),
        at_most(
            "duplicate_paragraph_characters",
            "duplicate_paragraph_characters",
            config.max_duplicate_paragraph_characters,
        ),
        at_most("duplicate_lines", "duplicate_lines", config.max_duplicate_lines),
        at_most("duplicate_line_characters", "duplicate_line_characters", config.max_duplicate_line_characters),
        at_most("top_2_gram", "top_2_gram", config.max_top_2_gram),
        at_most("top_3_gram", "top_3_gram", config.max_top_3_gram),
        at_most("top_4_gram", "top_4_gram", config.max_top_4_gram),
        at_most("duplicate_5_gram", "duplicate_5_gram", config.max_duplicate_5_gram),
        at_most("duplicate_6_gram", "duplicate_6_gram", config.max_duplicate_6_gram),
        at_most("duplicate_7_gram", "duplicate_7_gram", config.max_duplicate_7_gram),
        at_most("duplicate_8_gram", "duplicate_8_gram", config.max_duplicate_8_gram),
        at_most("duplicate_9_gram", "duplicate_9_gram", config.max_duplicate_9_gram),
        at_most("duplicate_10_gram", "duplicate_10_gram", config.max_duplicate_10_gram),
    )
