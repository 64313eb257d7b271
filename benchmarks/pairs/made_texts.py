"""Captions and entries from a seed: words with frequencies as in real texts, entries of one to three words."""

import random
from collections.abc import Sequence
from itertools import accumulate

LETTERS = "etaoinshrdlucmfwypvbgk"


def make_words(number: int, rng: random.Random) -> tuple[str, ...]:
    """Return different made words of 3 to 9 letters."""
    words: dict[str, None] = {}
    while len(words) < number:
        words["".join(rng.choices(LETTERS, k=rng.randint(3, 9)))] = None
    return tuple(words)


def make_texts(words: Sequence[str], number: int, rng: random.Random, *, length: int = 11) -> list[str]:
    """Return texts of `length` words on average, at least 2; the n-th word of the list is drawn n ** -0.9 as often."""
    weights = list(accumulate((at + 1) ** -0.9 for at in range(len(words))))
    sizes = [max(2, round(rng.gauss(length, length / 3))) for _ in range(number)]
    drawn = iter(rng.choices(words, cum_weights=weights, k=sum(sizes)))
    return [" ".join(next(drawn) for _ in range(size)) for size in sizes]


def make_entries(
    words: Sequence[str], texts: Sequence[str], rng: random.Random, *, number: int, matches: float
) -> list[str]:
    """Return `number` entries of which a text has `matches` on average, within 2 %.

    A third are words, the rarest ones first until the texts have as many matches; the others are n-grams of two or
    three words that the texts do not need to have.
    """
    wanted = matches * len(texts)
    count: dict[str, int] = {}
    for text in texts:
        for word in set(text.split()):
            count[word] = count.get(word, 0) + 1
    entries: dict[str, None] = {}
    for word in sorted(words, key=lambda word: (count.get(word, 0), word)):
        if wanted - count.get(word, 0) < 0:
            break
        entries[word] = None
        wanted -= count.get(word, 0)
    while len(entries) < number:
        entries[" ".join(rng.choices(words, k=rng.choice((2, 2, 3))))] = None
    return list(entries)
