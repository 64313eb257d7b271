"""Counts and draws of entries are those of MetaCLIP's published loops."""

import dataclasses

import pytest

from benchmarks.pairs import balance
from benchmarks.pairs.balance import kept_by_loops
from benchmarks.pairs.config import PairsConfig
from corpusloom.pipelines.filters.pairs.entries import draw, entry_keys
from corpusloom.schemas import identity


def test_a_build_has_the_counts_and_pairs_of_the_published_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balance, "TEXTS", 800)
    monkeypatch.setattr(balance, "WORDS", 300)
    monkeypatch.setattr(balance, "ENTRIES", 400)
    rows = [dataclasses.astuple(row)[1] for row in balance.rows(PairsConfig(rng_seed=3))]
    assert rows == [0, 0]


def test_the_loops_keep_a_pair_of_rare_entries_and_draw_one_of_frequent_entries() -> None:
    frequent = [(f"https://a.example/{number}.jpg", "a cat") for number in range(40)]
    rare = ("https://a.example/owl.jpg", "an owl, a cat")
    kept = kept_by_loops([*frequent, rare, ("https://a.example/none.jpg", "nothing")], ["cat", "an"])
    (cat, _) = entry_keys(["cat", "an"], "")
    keys = [identity.pair_key(*pair) for pair in frequent]
    drawn = {key for key in keys if draw(key, cat, 1, 0) < balance.MOST_PAIRS / 41}
    assert 0 < len(drawn) < 40
    assert kept == drawn | {identity.pair_key(*rare)}
