"""Gopher's repetition rules compared with a simple implementation of Table A1."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpusloom.pipelines.filters import gopher_repetition
from corpusloom.pipelines.filters.gopher_repetition import (
    DUPLICATE_SIZES,
    TOP_SIZES,
    count_duplicates,
    measure_ngrams,
)
from corpusloom.pipelines.filters.text.text_filter import Text, judge
from corpusloom.schemas.verdicts import Kept, Rejected
from tests.pipelines.filters.published import REPETITION

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


@given(WORDS.filter(bool))
@example(["a", "b", "a", "b", "c", "d", "c", "d"])
def test_measures_of_a_text_are_those_of_its_words(words: list[str]) -> None:
    text = " ".join(words)
    scores = measure_ngrams(text, words)
    for size in TOP_SIZES:
        assert scores[f"top_{size}_gram"] == plain_top(words, size) / len(text)
    for size in DUPLICATE_SIZES:
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
def test_each_text_has_its_repetition_reason(text: str, reason: str | None) -> None:
    verdict = judge(gopher_repetition, text, REPETITION)
    assert (verdict.reason if isinstance(verdict, Rejected) else None) == reason


def test_a_share_equal_to_its_bound_passes() -> None:
    text = "\n".join([*(distinct(9, 10 * n) for n in range(7)), "q", "q", "q"])
    share = gopher_repetition.measure(Text(text))["duplicate_lines"]
    assert judge(gopher_repetition, text, replace(REPETITION, max_duplicate_lines=share)) == Kept()
    below = replace(REPETITION, max_duplicate_lines=share - 1e-9)
    assert isinstance(judge(gopher_repetition, text, below), Rejected)


@given(st.text(alphabet=st.sampled_from("ab \n.é"), max_size=200))
def test_scores_are_not_negative(text: str) -> None:
    scores = gopher_repetition.measure(Text(text))
    assert len(scores) == (13 if text else 0)
    assert all(value >= 0.0 for value in scores.values())


def test_each_score_has_the_rule_of_its_name() -> None:
    found = [(rule.reason, rule.score) for rule in gopher_repetition.rules(REPETITION)]
    assert found == [(name, name) for name in gopher_repetition.measure(Text("a text"))]
    for rule in gopher_repetition.rules(REPETITION):
        assert rule.maximum == getattr(REPETITION, f"max_{rule.score}")
