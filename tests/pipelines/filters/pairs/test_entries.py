"""A pair is kept with the published probability, by draws that depend on pair, entry and seed alone."""

import random

import pytest

from corpusloom.pipelines.filters.pairs.entries import (
    EntriesConfig,
    balance_rules,
    draw,
    entry_keys,
    measure_entries,
    rules,
)
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.verdicts import Kept, Rejected, decide

T = 20


def test_pairs_equal_those_of_the_published_balancing_given_the_same_draws() -> None:
    rng = random.Random(0)
    entries_of = {
        f"pair {n}": {f"entry {int(rng.expovariate(0.3))}" for _ in range(rng.randint(1, 4))} for n in range(600)
    }
    counts: dict[str, int] = {}
    for found in entries_of.values():
        for entry in found:
            counts[entry] = counts.get(entry, 0) + 1
    assert min(counts.values()) < T < max(counts.values())
    for pair, found in entries_of.items():
        chances = [(draw(pair, entry, 1, 3), min(1.0, T / counts[entry])) for entry in sorted(found)]
        published = any(number <= chance for number, chance in chances)
        smallest = min(draw(pair, entry, counts[entry], 3) for entry in found)
        verdict = decide({"entry_draw": smallest}, balance_rules(EntriesConfig(max_pairs=T)))
        assert isinstance(verdict, Kept) is published


def test_draws_are_uniform_and_depend_on_pair_entry_and_seed() -> None:
    draws = [draw(str(number), "e", 100, 0) for number in range(4_000)]
    assert abs(sum(value <= T for value in draws) - 800) < 4 * (4_000 * 0.2 * 0.8) ** 0.5
    assert 0 <= min(draws) < 1
    assert 99 < max(draws) < 100
    assert len({draw("a", "e", 1, 0), draw("b", "e", 1, 0), draw("a", "f", 1, 0), draw("a", "e", 1, 1)}) == 4


def test_no_pair_of_an_entry_with_t_pairs_or_fewer_is_dropped() -> None:
    rule = balance_rules(EntriesConfig(max_pairs=T))
    assert all(isinstance(decide({"entry_draw": draw(str(n), "e", T, 0)}, rule), Kept) for n in range(1_000))


def test_a_text_without_an_entry_is_rejected() -> None:
    rule = rules(EntriesConfig(min_entries=1))
    assert decide(measure_entries(()), rule) == Rejected("no_entry", 0.0, 1)
    assert decide(measure_entries(("a",)), rule) == Kept()


def test_keys_of_an_entry_differ_by_language() -> None:
    assert entry_keys(("a", "b"), "en") != entry_keys(("a", "b"), "de")
    assert len(set(entry_keys(("a", "b"), "en"))) == 2


def test_a_list_per_language_is_found_by_its_path() -> None:
    assert EntriesConfig(metadata="a/{language}.json").paths(("en", "de")) == {"en": "a/en.json", "de": "a/de.json"}
    assert EntriesConfig(metadata="a.json").paths(("en", "de")) == {"": "a.json"}


@pytest.mark.parametrize(
    ("metadata", "message"), [(None, "no list of entries"), ("{language}.txt", "needs languages.*languages")]
)
def test_a_missing_list_or_missing_languages_are_named(metadata: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EntriesConfig(metadata=metadata).paths(())
