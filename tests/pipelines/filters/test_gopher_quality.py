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


CASES = [
    ("good", GOOD, None),
    ("50 words", words(50), None),
    ("49 words", words(49), "too_few_words"),
    ("100,000 words", words(100_000), None),
    ("100,001 words", words(100_001), "too_many_words"),
    ("short words", "the of " + "a " * 60, "short_words"),
    ("long words", "the of " + "extraordinarily " * 60, "long_words"),
    ("hashes at 0.1", words(81) + " # # # # # # # # #", None),
    ("hashes above 0.1", words(80) + " # # # # # # # # #", "too_many_hashes"),
    ("ellipses", words(80) + " ..." * 10, "too_many_ellipses"),
    ("bullets at 0.9", "\n".join(["- " + words(10)] * 9 + [words(10)]), None),
    ("bullets above 0.9", "\n".join(["• " + words(10)] * 10), "too_many_bullet_lines"),
    ("ellipsis lines at 0.3", "\n".join([words(20) + "..."] * 3 + [words(20)] * 7), None),
    ("ellipsis lines above 0.3", "\n".join([words(20) + "… "] * 4 + [words(20)] * 6), "too_many_ellipsis_lines"),
    ("numbers", words(60) + " 123456" * 30, "too_few_alphabetic_words"),
    ("one stop word twice", "the the " + "house " * 60, "too_few_stop_words"),
    ("stop words in capitals", "The Of " + "house " * 60, "too_few_stop_words"),
    ("empty", "", "too_few_words"),
    ("marks only", "! ? " * 100, "too_few_words"),
]


@pytest.mark.parametrize(("text", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_text_has_its_quality_reason(text: str, reason: str | None) -> None:
    verdict = judge(gopher_quality, text, QUALITY)
    assert (verdict.reason if isinstance(verdict, Rejected) else None) == reason


def test_a_threshold_of_none_turns_the_rule_off_and_zero_does_not() -> None:
    assert judge(gopher_quality, "house " * 60, replace(QUALITY, min_stop_words=None)) == Kept()
    strict = replace(QUALITY, max_hash_ratio=0.0)
    assert judge(gopher_quality, words(81) + " # ", strict) == Rejected("too_many_hashes", 1 / 82, 0.0)
    assert judge(gopher_quality, "", QualityConfig()) == Kept()


@given(st.text(max_size=400))
def test_any_text_gets_a_verdict_and_deciding_again_from_scores_is_the_same(text: str) -> None:
    config = QualityConfig(min_words=1)
    scores = gopher_quality.measure(Text(text))
    assert decide(scores, gopher_quality.rules(config)) == judge(gopher_quality, text, config)
