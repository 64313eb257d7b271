"""Labels for the block classifier: the share of each candidate's words that a page's reference text contains."""

from bisect import bisect
from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmarks.wcxb import tokens

_LONG = 5
_NEAR = 25
"""Distance, in candidates, within which a short text must lie from a recognised one."""


def labels(texts: Sequence[Sequence[str]], reference: str) -> np.ndarray:
    """Return the share of each candidate's words that the reference text contains, (n,) float32.

    A text of at least five words is matched by its word triples. A shorter one counts if the reference contains it near
    the texts matched around it, or has it as a line. Of a text that the page repeats, the first copies count, as many
    as the reference has.
    """
    words = tokens(reference)
    places = _places(words)
    out = np.zeros(len(texts), np.float32)
    found: list[tuple[int, int]] = []
    for row, text in enumerate(texts):
        if len(text) >= _LONG:
            hits = [places.get(triple) for triple in zip(text, text[1:], text[2:], strict=False)]
            out[row] = sum(hit is not None for hit in hits) / len(hits)
            if out[row] > 0.5:
                expected = found[-1][1] if found else 0
                first = next(hit for hit in hits if hit)
                found.append((row, min(first, key=lambda place: abs(place - expected))))
    lines = {" ".join(tokens(line)) for line in reference.split("\n")}
    for row, text in enumerate(texts):
        if 0 < len(text) < _LONG:
            out[row] = _short(row, " ".join(text), found, words, lines)
    _drop_copies(texts, words, out)
    return out


def _drop_copies(texts: Sequence[Sequence[str]], words: list[str], out: np.ndarray) -> None:
    """Set to 0 the labels of copies beyond those that the reference has."""
    whole = f" {' '.join(words)} "
    copies: Counter[str] = Counter()
    for row, text in enumerate(texts):
        joined = " ".join(text)
        copies[joined] += 1
        if out[row] and copies[joined] > max(whole.count(f" {joined} "), 1):
            out[row] = 0.0


def _places(words: list[str]) -> dict[tuple[str, str, str], list[int]]:
    places: dict[tuple[str, str, str], list[int]] = {}
    for at in range(len(words) - 2):
        places.setdefault((words[at], words[at + 1], words[at + 2]), []).append(at)
    return places


def _short(row: int, text: str, found: list[tuple[int, int]], words: list[str], lines: set[str]) -> float:
    at = bisect(found, (row, -1))
    before = found[at - 1] if at else None
    after = found[at] if at < len(found) else None
    distances = [abs(row - item[0]) for item in (before, after) if item]
    near = not distances or min(distances) <= _NEAR
    begin, end = sorted((before[1] if before else 0, after[1] if after else len(words)))
    window = " ".join(words[max(begin - 15, 0) : end + 40])
    if near and f" {text} " in f" {window} ":
        return 1.0
    if text in lines and len(text) > 3:
        return 0.6 if near else 0.3
    return 0.0
