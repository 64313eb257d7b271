"""Made texts have the words and the number of entries that the benchmark of matching says."""

import random

import pytest

from benchmarks.pairs.made_texts import make_entries, make_texts, make_words


def test_texts_have_as_many_entries_as_asked_for() -> None:
    rng = random.Random(1)
    words = make_words(2_000, rng)
    texts = make_texts(words, 3_000, rng)
    entries = make_entries(words, texts, rng, number=5_000, matches=3.5)
    assert len(set(entries)) == len(entries) == 5_000
    single = {entry for entry in entries if " " not in entry}
    found = sum(len(single & set(text.split())) for text in texts) / len(texts)
    assert found == pytest.approx(3.5, rel=0.02)
    assert sum(len(text.split()) for text in texts) / len(texts) == pytest.approx(11, rel=0.05)


def test_the_same_seed_gives_the_same_texts() -> None:
    once, again = (make_texts(("cat", "dog", "owl"), 20, random.Random(2)) for _ in range(2))
    assert once == again
