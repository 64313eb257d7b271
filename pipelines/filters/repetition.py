"""Repetition rules of Gopher (arXiv 2112.11446, App. A.1.1, Table A1)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.filters.words import lines, paragraphs, words
from schemas.verdicts import Rule, Scores, Verdict, decide

TOP_NGRAMS = (2, 3, 4)
DUPLICATE_NGRAMS = (5, 6, 7, 8, 9, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepetitionConfig:
    """Thresholds of Table A1; None turns a rule off. A text is rejected above its value."""

    max_duplicate_lines: float | None = 0.30
    max_duplicate_paragraphs: float | None = 0.30
    max_duplicate_line_characters: float | None = 0.20
    max_duplicate_paragraph_characters: float | None = 0.20
    max_top_ngrams: tuple[float, ...] | None = (0.20, 0.18, 0.16)
    """Characters in the most frequent 2-, 3- and 4-gram."""
    max_duplicate_ngrams: tuple[float, ...] | None = (0.15, 0.14, 0.13, 0.12, 0.11, 0.10)
    """Characters in repeated 5- to 10-grams."""


def duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """Return how many parts are second or later copies, and their characters."""
    seen: set[str] = set()
    count = characters = 0
    for part in parts:
        if part in seen:
            count += 1
            characters += len(part)
        else:
            seen.add(part)
    return count, characters


def top_ngram_characters(tokens: Sequence[str], n: int) -> int:
    """Return the length of the most frequent n-gram, blanks included, times its count; ties: first seen."""
    if len(tokens) < n:
        return 0
    counts = Counter(zip(*(tokens[start:] for start in range(n)), strict=False))
    ngram, count = counts.most_common(1)[0]
    return (sum(map(len, ngram)) + n - 1) * count


def duplicate_ngram_characters(tokens: Sequence[str], n: int) -> int:
    """Return the characters in repeated n-grams, greedily: after a repeat the scan jumps over it."""
    seen: set[tuple[str, ...]] = set()
    characters = place = 0
    while place < len(tokens) - n + 1:
        ngram = tuple(tokens[place : place + n])
        if ngram in seen:
            characters += sum(map(len, ngram))
            place += n
        else:
            seen.add(ngram)
            place += 1
    return characters


def measure_repetition(text: str) -> Scores:
    """Return the measures of Table A1 as shares; all 0 for an empty text."""
    size = max(len(text), 1)
    rows, blocks, kept = lines(text), paragraphs(text), words(text)
    line_count, line_characters = duplicates(rows)
    block_count, block_characters = duplicates(blocks)
    scores = {
        "duplicate_lines": line_count / max(len(rows), 1),
        "duplicate_paragraphs": block_count / max(len(blocks), 1),
        "duplicate_line_characters": line_characters / size,
        "duplicate_paragraph_characters": block_characters / size,
    }
    scores |= {f"top_{n}_gram": top_ngram_characters(kept, n) / size for n in TOP_NGRAMS}
    return scores | {f"duplicate_{n}_gram": duplicate_ngram_characters(kept, n) / size for n in DUPLICATE_NGRAMS}


def rules(config: RepetitionConfig) -> tuple[Rule, ...]:
    """Return the rules in the table's order."""
    bounds: list[tuple[str, float | None]] = [
        ("duplicate_lines", config.max_duplicate_lines),
        ("duplicate_paragraphs", config.max_duplicate_paragraphs),
        ("duplicate_line_characters", config.max_duplicate_line_characters),
        ("duplicate_paragraph_characters", config.max_duplicate_paragraph_characters),
    ]
    bounds += [(f"top_{n}_gram", most) for n, most in zip(TOP_NGRAMS, config.max_top_ngrams or (), strict=False)]
    bounds += [
        (f"duplicate_{n}_gram", most)
        for n, most in zip(DUPLICATE_NGRAMS, config.max_duplicate_ngrams or (), strict=False)
    ]
    return tuple(Rule(reason=name, score=name, maximum=most) for name, most in bounds if most is not None)


def repetition(text: str, config: RepetitionConfig) -> Verdict:
    """Return the verdict of Gopher's repetition rules on a text."""
    return decide(measure_repetition(text), rules(config))
