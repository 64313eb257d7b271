"""MinHash compared with exact Jaccard and the S-curve."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.near_duplicates import candidate_probability, jaccard
from corpusloom.pipelines.dedup.minhash import (
    MinHashConfig,
    band_keys,
    shingles,
    signature,
    text_band_keys,
)
from corpusloom.schemas.errors import ConfigError

CONFIG = MinHashConfig()
FIRST_KEY = "8bcafce957083844d84d175e130d1473"


def simulated_pair(similarity: float, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return two sets of `size` shingles with this Jaccard similarity."""
    shared = round(2 * size * similarity / (1 + similarity))
    items = rng.integers(0, 1 << 64, 2 * size - shared, dtype=np.uint64)
    return np.sort(items[:size]), np.sort(np.concatenate([items[:shared], items[size:]]))


def share_of_candidates(similarity: float, pairs: int, rng: np.random.Generator) -> tuple[float, float]:
    found = 0
    expected = 0.0
    for _ in range(pairs):
        first, second = simulated_pair(similarity, 150, rng)
        expected += candidate_probability(jaccard(first, second), CONFIG)
        keys = [set(band_keys(signature(items, CONFIG), CONFIG)) for items in (first, second)]  # type: ignore[arg-type]
        found += bool(keys[0] & keys[1])
    return found / pairs, expected / pairs


@pytest.mark.parametrize("similarity", [0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85])
def test_candidates_follow_the_s_curve(similarity: float) -> None:
    pairs = 1000
    found, expected = share_of_candidates(similarity, pairs, np.random.default_rng(5))
    assert abs(found - expected) <= 2 * math.sqrt(expected * (1 - expected) / pairs)


@pytest.mark.parametrize("similarity", [0.9, 0.95, 1.0])
def test_near_copies_are_found(similarity: float) -> None:
    found, _ = share_of_candidates(similarity, 400, np.random.default_rng(6))
    assert found >= 0.99


def test_texts_follow_the_curve_as_sets_do() -> None:
    rng = np.random.default_rng(8)
    hits, expected, pairs = 0, 0.0, 250
    for _ in range(pairs):
        words = [f"word{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}" for n in rng.integers(0, 676, 300)]
        changed = list(words)
        for place in rng.choice(300, 9, replace=False):
            changed[place] = "other"
        texts = " ".join(words), " ".join(changed)
        expected += candidate_probability(jaccard(*map(shingles, texts)), CONFIG)
        first, second = (set(text_band_keys(text, CONFIG)) for text in texts)
        hits += bool(first & second)
    sigma = math.sqrt(expected / pairs * (1 - expected / pairs) / pairs)
    assert abs(hits - expected) / pairs <= 2.5 * sigma


@pytest.mark.parametrize(("similarity", "probability"), [(0.5, 0.053), (0.6, 0.211), (0.7, 0.5645), (0.8, 0.924)])
def test_the_probability_of_a_candidate_is_the_published_one(similarity: float, probability: float) -> None:
    assert candidate_probability(similarity, CONFIG) == pytest.approx(probability, abs=5e-4)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=40), st.integers(1, 6))
def test_shingles_are_the_distinct_runs_of_words(words: list[str], size: int) -> None:
    runs = {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}
    found = shingles(" ".join(words), size)
    assert len(found) == len(runs)
    assert list(found) == sorted(set(found.tolist()))


def test_case_marks_accents_and_digits_do_not_matter() -> None:
    first = "In 1984, the Café at the corner (of Main Street) was closed."
    second = "in 1999 the cafe at the corner of main street was closed"
    assert text_band_keys(first, CONFIG) == text_band_keys(second, CONFIG)


def test_a_text_shorter_than_a_shingle_has_no_signature() -> None:
    assert text_band_keys("only four words here", CONFIG) == ()
    assert signature(shingles("only four words here"), CONFIG) is None
    assert jaccard(shingles(""), shingles("")) == 0.0


def test_keys_are_the_same_on_every_machine() -> None:
    keys = text_band_keys("the quick brown fox jumps over the lazy dog", CONFIG)
    assert len(keys) == 14
    assert {len(key) for key in keys} == {16}
    assert keys[0].hex() == FIRST_KEY
    assert keys != text_band_keys("the quick brown fox jumps over the lazy dog", MinHashConfig(rng_seed=2))


def test_long_texts_are_hashed_in_pieces_with_the_same_result() -> None:
    items = np.sort(np.random.default_rng(1).choice(1 << 48, 2000, replace=False).astype(np.uint64))
    whole = signature(items, CONFIG)
    parts = [signature(items[start : start + 100], CONFIG) for start in range(0, 2000, 100)]
    assert whole is not None
    assert (whole == np.min([part for part in parts if part is not None], axis=0)).all()


def test_configuration_mistakes_are_explained() -> None:
    with pytest.raises(ConfigError, match=r"dedup\.minhash\.rows"):
        MinHashConfig(rows=0)
