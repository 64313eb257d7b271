"""Gopher's repetition rules against a plain reading of Table A1."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpusloom.pipelines.filters.gopher_repetition import (
    DUPLICATE_SIZES,
    TOP_SIZES,
    RepetitionConfig,
    count_duplicates,
    duplicate_ngram_characters,
    measure_repetition,
    repetition,
    top_ngram_characters,
)
from corpusloom.schemas.verdicts import Kept, Rejected

WORDS = st.lists(st.sampled_from(["a", "aa", "b", "ab", "the", "é", "x,"]), max_size=60)


def plain_top(words: list[str], size: int) -> int:
    ngrams = [" ".join(words[i : i + size]) for i in range(len(words) - size + 1)]
    if not ngrams:
        return 0
    best = max(ngrams, key=lambda ngram: (ngrams.count(ngram), -ngrams.index(ngram)))
    return len(best) * ngrams.count(best)


def plain_duplicates(words: list[str], size: int) -> int:
    seen, characters, index = [], 0, 0
    while index <= len(words) - size:
        ngram = "".join(words[index : index + size])
        if ngram in seen:
            characters, index = characters + len(ngram), index + size
        else:
            seen.append(ngram)
            index += 1
    return characters


@given(WORDS, st.sampled_from(TOP_SIZES))
@example(["a", "b", "a", "b", "c", "d", "c", "d"], 2)
def test_top_ngram_is_the_first_seen_of_the_most_frequent(words: list[str], size: int) -> None:
    assert top_ngram_characters(words, size) == plain_top(words, size)


@given(WORDS, st.sampled_from(DUPLICATE_SIZES))
def test_duplicate_ngrams_are_counted_greedily(words: list[str], size: int) -> None:
    assert duplicate_ngram_characters(words, size) == plain_duplicates(words, size)


@given(WORDS)
def test_measures_of_a_text_are_those_of_its_words(words: list[str]) -> None:
    text = " ".join(words)
    scores = measure_repetition(text, words)
    for size in TOP_SIZES if text else ():
        assert scores[f"top_{size}_gram"] == plain_top(words, size) / len(text)
    for size in DUPLICATE_SIZES if text else ():
        assert scores[f"duplicate_{size}_gram"] == plain_duplicates(words, size) / len(text)


def test_second_and_later_copies_count() -> None:
    assert count_duplicates(["ab", "c", "ab", "ab"]) == (2, 4)


def distinct(count: int, start: int = 0) -> str:
    return " ".join(f"word{number}" for number in range(start, start + count))


CASES = [
    ("varied", distinct(100), None),
    ("3 of 10 lines again", "\n".join([*(distinct(9, 20 * n) for n in range(6)), *["x"] * 4]), None),
    ("4 of 11 lines again", "\n".join([*(distinct(9, 20 * n) for n in range(6)), *["x"] * 5]), "duplicate_lines"),
    ("a paragraph again and again", "\n\n".join([distinct(40), *["same"] * 4]), "duplicate_paragraphs"),
    ("a long line twice", "\n".join([distinct(20), distinct(20), "a", "b", "c"]), "duplicate_line_characters"),
    ("one pair of words", "apple pie " * 30, "top_2_gram"),
    ("a long passage twice", f"{distinct(30)} {distinct(30)} {distinct(90, 50)}", "duplicate_5_gram"),
    ("empty", "", None),
]


@pytest.mark.parametrize(("text", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_repetition(text: str, reason: str | None) -> None:
    verdict = repetition(text)
    assert (verdict.reason if isinstance(verdict, Rejected) else None) == reason


def test_a_share_equal_to_its_bound_passes() -> None:
    text = "\n".join([*(distinct(9, 10 * n) for n in range(7)), "q", "q", "q"])
    share = measure_repetition(text)["duplicate_lines"]
    assert repetition(text, RepetitionConfig(max_duplicate_lines=share)) == Kept()
    assert isinstance(repetition(text, RepetitionConfig(max_duplicate_lines=share - 1e-9)), Rejected)


@given(st.text(alphabet=st.sampled_from("ab \n.é"), max_size=200))
def test_shares_are_shares(text: str) -> None:
    assert all(value >= 0.0 for value in measure_repetition(text).values())
