"""Gopher's repetition rules (arXiv 2112.11446, App. A.1.1, Table A1), counted as datatrove counts them."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from corpusloom.pipelines.filters.ngrams import NgramHashes, has_repeats, most_frequent
from corpusloom.pipelines.filters.words import split_words
from corpusloom.schemas.verdicts import Rule, Scores, Verdict, decide

TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)
_PARAGRAPH_BREAK = re.compile(r"\n{2,}")
_LINE_BREAK = re.compile(r"\n+")


@dataclass(frozen=True, kw_only=True, slots=True)
class RepetitionConfig:
    """Thresholds of Gopher's repetition rules, each a largest share; None turns one off."""

    max_duplicate_lines: float | None = 0.30
    """Second and later copies of a line / lines (Table A1)."""
    max_duplicate_paragraphs: float | None = 0.30
    """Second and later copies of a paragraph / paragraphs (Table A1)."""
    max_duplicate_line_characters: float | None = 0.20
    """Characters in those lines / characters (Table A1)."""
    max_duplicate_paragraph_characters: float | None = 0.20
    """Characters in those paragraphs / characters (Table A1)."""
    max_top_2_gram: float | None = 0.20
    """Characters of the most frequent pair of words / characters (Table A1)."""
    max_top_3_gram: float | None = 0.18
    """The same of three words (Table A1)."""
    max_top_4_gram: float | None = 0.16
    """The same of four words (Table A1)."""
    max_duplicate_5_gram: float | None = 0.15
    """Characters in repeated runs of five words / characters (Table A1)."""
    max_duplicate_6_gram: float | None = 0.14
    """The same of six words (Table A1)."""
    max_duplicate_7_gram: float | None = 0.13
    """The same of seven words (Table A1)."""
    max_duplicate_8_gram: float | None = 0.12
    """The same of eight words (Table A1)."""
    max_duplicate_9_gram: float | None = 0.11
    """The same of nine words (Table A1)."""
    max_duplicate_10_gram: float | None = 0.10
    """The same of ten words (Table A1)."""


def count_duplicates(items: Iterable[str]) -> tuple[int, int]:
    """Return how many items repeat an earlier one, and their characters."""
    seen: set[str] = set()
    count = characters = 0
    for item in items:
        if item in seen:
            count += 1
            characters += len(item)
        else:
            seen.add(item)
    return count, characters


def top_ngram_characters(words: Sequence[str], size: int) -> int:
    """Return the characters of the most frequent n-gram, blanks included, times its count; of ties the first seen."""
    counts = Counter(zip(*(words[start:] for start in range(size)), strict=False))
    if not counts:
        return 0
    ngram, count = max(counts.items(), key=itemgetter(1))
    return (sum(map(len, ngram)) + size - 1) * count


def duplicate_ngram_characters(words: Sequence[str], size: int) -> int:
    """Return the characters of repeated n-grams, greedily: a repeat counts once and is jumped over.

    n-grams are compared joined without blanks, as datatrove does.
    """
    ends = list(itertools.accumulate(map(len, words), initial=0))
    return _greedy_duplicates("".join(words), ends, size)


def _greedy_duplicates(joined: str, ends: Sequence[int], size: int) -> int:
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

    The same as `top_ngram_characters` and `duplicate_ngram_characters`, by hashes: a text without repeats, the
    usual case, costs a sort a size and no string.
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


def measure_repetition(text: str, words: Sequence[str] | None = None) -> Scores:
    """Measure a text for Gopher's repetition rules; `words` are its tokens when they are known. All are shares."""
    if not text:
        return {}
    words = split_words(text) if words is None else words
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
    names = ["duplicate_paragraphs", "duplicate_paragraph_characters", "duplicate_lines", "duplicate_line_characters"]
    names += [f"top_{size}_gram" for size in TOP_SIZES] + [f"duplicate_{size}_gram" for size in DUPLICATE_SIZES]
    return tuple(Rule(reason=name, score=name, maximum=getattr(config, f"max_{name}")) for name in names)


def repetition(text: str, config: RepetitionConfig | None = None) -> Verdict:
    """Judge a text by Gopher's repetition rules."""
    return decide(measure_repetition(text), rules(config or RepetitionConfig()))
