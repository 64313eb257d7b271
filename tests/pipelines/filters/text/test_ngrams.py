"""Hashes of n-grams are equal exactly where the n-grams are."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.filters.text.ngrams import NgramHashes, has_repeats, most_frequent, run_lengths


@given(st.text(alphabet=st.sampled_from("ab\x00é\U0001f600\ud800"), max_size=60), st.integers(1, 8))
def test_equal_ngrams_and_no_others_have_equal_hashes(text: str, size: int) -> None:
    hashes = NgramHashes(text, np.arange(len(text) + 1)).of(size)
    ngrams = [text[start : start + size] for start in range(len(text) - size + 1)]
    assert len(hashes) == len(ngrams)
    for one, other in itertools.combinations(range(len(ngrams)), 2):
        assert (hashes[one] == hashes[other]) == (ngrams[one] == ngrams[other])


@pytest.mark.parametrize("length", [65_534, 65_535, 65_536, 200_000])
def test_long_texts_have_as_many_powers_as_they_need(length: int) -> None:
    text = ("abcdefghijk" * (length // 11 + 1))[:length]
    hashes = NgramHashes(text, np.arange(length + 1)).of(3)
    assert len(np.unique(hashes)) == 11


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_counts_of_hashes_are_those_of_their_values(values: list[int]) -> None:
    hashes = np.array(values, np.uint64)
    first, count = most_frequent(hashes)
    assert count == max(map(values.count, values))
    assert first == min(place for place, value in enumerate(values) if values.count(value) == count)
    assert has_repeats(hashes) == (count > 1)
    assert run_lengths(np.sort(hashes))[1].sum() == len(values)
