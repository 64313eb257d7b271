"""ALIGN's rules in pandas keep what the paper's sentences say, and our stages keep the same."""

import random
from pathlib import Path

import pytest

from benchmarks.pairs import align
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas import identity


def test_pandas_keeps_texts_of_3_to_20_words_that_at_most_10_images_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(align, "MOST_TOKENS", 1_000)
    shared = [(f"https://a.example/{number}.jpg", "the same three") for number in range(11)]
    good = [("https://b.example/1.jpg", "one two three"), ("https://b.example/2.jpg", " ".join("abcdefghijklmnopqrst"))]
    bad = [("https://b.example/3.jpg", "one two"), ("https://b.example/4.jpg", " ".join("abcdefghijklmnopqrstu"))]
    assert align.in_pandas([*shared, *good, *good, *bad]) == set(good)
    assert align.in_pandas(shared[1:]) == set(shared[1:])


def test_pandas_drops_a_text_with_a_rare_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(align, "MOST_TOKENS", 5)
    common = [(f"https://a.example/{number}.jpg", "a b c") for number in range(3)]
    assert align.in_pandas([*common, ("https://a.example/9.jpg", "a b d")]) == set(common)


def test_both_keep_the_same_pairs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(align, "TEXTS", 600)
    monkeypatch.setattr(align, "WORDS", 80)
    monkeypatch.setattr(align, "SHARED", 12)
    monkeypatch.setattr(align, "MOST_TOKENS", 2_500)
    made = align.make_rows(random.Random(0))
    kept = {identity.pair_key(*row) for row in align.in_pandas(made)}
    recipe = load_recipe("align", ["filters.captions.most_frequent_tokens=2_500", "filters.language=off"])
    assert align.both_stages(made, recipe, tells_language=False) == kept
    assert 50 < len(kept) < len(made) - 50
