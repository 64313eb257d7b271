"""Gopher's quality rules: each at its threshold and just past it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.filters import gopher_quality
from corpusloom.pipelines.filters.gopher_quality import QualityConfig
from corpusloom.pipelines.filters.text.text_filter import Text, judge
from corpusloom.schemas.verdicts import Kept, Rejected, decide
from tests.pipelines.filters.published import QUALITY

GOOD = "The cat and the dog have to be with us, that is what we want of them today. " * 4


def words(count: int, word: str = "house") -> str:
    return " ".join(["the", "of", *[word] * (count - 2)])


RATIOS = ("alphabetic_words", "hash_ratio", "ellipsis_ratio")


def measured(text: str, config: QualityConfig) -> dict[str, float]:
    return gopher_quality.measure(Text(text), config)


CASES = [
    ("good", GOOD, None),
    ("50 words", words(50), None),
    ("49 words", words(49), "too_few_words"),
    ("100,000 words", words(100_000), None),
    ("100,001 words", words(100_001), "too_many_words"),
    ("short words", "the of " + "a " * 60, "short_words"),
    ("long words", "the of " + "extraordinarily " * 60, "long_words"),
    ("hashes at 0.1", words(90) + " # # # # # # # # #", None),
    ("hashes above 0.1", words(89) + " # # # # # # # # #", "too_many_hashes"),
    ("ellipses at 0.1", words(89) + " ..." * 9 + " house", None),
    ("ellipses above 0.1", words(88) + " ..." * 9 + " house", "too_many_ellipses"),
    ("bullets at 0.9", "\n".join(["- " + words(10)] * 9 + [words(10)]), None),
    ("bullets above 0.9", "\n".join(["• " + words(10)] * 10), "too_many_bullet_lines"),
    ("ellipsis lines at 0.3", "\n".join([words(20) + "..."] * 3 + [words(20)] * 7), None),
    ("ellipsis lines above 0.3", "\n".join([words(20) + "… "] * 4 + [words(20)] * 6), "too_many_ellipsis_lines"),
    ("letters at 0.8", words(60) + " 123456" * 15, None),
    ("letters below 0.8", words(60) + " 123456" * 16, "too_few_alphabetic_words"),
    ("punctuation is no word", words(60) + ' , ; " ( ) -' * 10, None),
    ("one stop word twice", "the the " + "house " * 60, "too_few_stop_words"),
    ("stop words in capitals", "The Of " + "house " * 60, "too_few_stop_words"),
    ("empty", "", "too_few_words"),
    ("marks only", "! ? " * 100, "too_few_words"),
]


@pytest.mark.parametrize(("text", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_text_has_its_quality_reason(text: str, reason: str | None) -> None:
    verdict = judge(gopher_quality, text, QUALITY)
    assert (verdict.reason if isinstance(verdict, Rejected) else None) == reason


def test_punctuation_counts_as_words_in_ratios_if_a_recipe_says_so() -> None:
    text = words(60) + " ," * 20 + " # ... 12"
    paper, datatrove = (measured(text, replace(QUALITY, count_punctuation=value)) for value in (False, True))
    assert [paper[name] for name in RATIOS] == [60 / 61, 1 / 61, 1 / 61]
    assert [datatrove[name] for name in RATIOS] == [60 / 83, 1 / 83, 1 / 83]
    assert {name: value for name, value in paper.items() if name not in RATIOS} == {
        name: value for name, value in datatrove.items() if name not in RATIOS
    }


def test_a_threshold_of_none_turns_the_rule_off_and_zero_does_not() -> None:
    assert judge(gopher_quality, "house " * 60, replace(QUALITY, min_stop_words=None)) == Kept()
    strict = replace(QUALITY, max_hash_ratio=0.0)
    assert judge(gopher_quality, words(81) + " # ", strict) == Rejected("too_many_hashes", 1 / 81, 0.0)
    assert judge(gopher_quality, "", QualityConfig()) == Kept()


@given(st.text(max_size=400))
def test_any_text_gets_a_verdict_and_deciding_again_from_scores_is_the_same(text: str) -> None:
    config = QualityConfig(min_words=1)
    scores = gopher_quality.measure(Text(text))
    assert decide(scores, gopher_quality.rules(config)) == judge(gopher_quality, text, config)
