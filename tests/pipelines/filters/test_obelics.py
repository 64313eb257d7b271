"""OBELICS' measures compared with simple implementations of its definitions, at paragraph and page level."""

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.filters import obelics
from corpusloom.pipelines.filters.obelics import (
    ObelicsConfig,
    TextRules,
    character_repetition,
    paragraph,
    plain_words,
    word_list,
    word_repetition,
)
from corpusloom.pipelines.filters.text.text_filter import Text, WordLists, judge
from corpusloom.schemas.verdicts import Kept, Rejected
from tests.pipelines.filters.published import OBELICS_TEXT

GOOD = (
    "When the rain had stopped, we went down to the river and looked for the boat that she had seen. "
    "It was not there, but an old man told us where he had last met its owner: in the small bar behind the church."
)


def plain_repetition(text: str, size: int) -> float:
    counts = sorted(Counter(text[i : i + size] for i in range(len(text) - size + 1)).values(), reverse=True)
    if not counts:
        return 0.0
    number = min(int(math.sqrt(len(counts))), len([count for count in counts if count > 1]))
    return sum(counts[:number]) / sum(counts)


@given(st.text(alphabet="ab é", max_size=300), st.integers(1, 12))
def test_character_repetition_is_that_of_a_plain_count(text: str, size: int) -> None:
    assert character_repetition(text, size) == pytest.approx(plain_repetition(text, size))


@given(st.lists(st.sampled_from(["a", "b"]), max_size=60))
def test_word_repetition_is_that_of_a_plain_count(words: list[str]) -> None:
    ngrams = Counter(tuple(words[i : i + 5]) for i in range(len(words) - 4))
    repeated = sum(count for count in ngrams.values() if count > 1)
    assert word_repetition(words) == (repeated / sum(ngrams.values()) if ngrams else 0.0)


def test_words_lose_case_and_edges() -> None:
    assert plain_words('"Hello," (World) -- don\'t!') == ["hello", "world", "don't"]


def test_blanks_are_special_characters_as_in_its_code() -> None:
    assert obelics.measure(Text("ab c1"))["obelics_special_characters"] == 2 / 5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD, None),
        ("Too short.", "too_few_words"),
        ("the rain of the day " * 30, "character_repetition"),
        ("1 2 3 4 5 6 7 8 9 10 11 12 13", "special_characters"),
        (
            "Wooden tables, garden chairs, kitchen lamps, leather sofas, winter coats, summer dresses, toys",
            "too_few_stop_words",
        ),
        (
            "we went down to the river and then on to the church where she was that day",
            "too_little_punctuation",
        ),
        (
            "Share this with us, tweet it or like it, and subscribe to our newsletter by email.",
            "spam_words",
        ),
    ],
)
def test_each_page_has_its_reason(text: str, reason: str | None) -> None:
    verdict = judge(obelics, text, OBELICS_TEXT)
    assert (verdict.reason if isinstance(verdict, Rejected) else None) == reason


def test_a_short_paragraph_needs_no_punctuation() -> None:
    assert paragraph("the cat is on the mat", OBELICS_TEXT) == Kept()
    longer = "the cat is on the mat and it is there for all of us to see"
    assert paragraph(longer, OBELICS_TEXT) == Rejected("too_little_punctuation", 0.0, 0.001)


def test_word_lists_are_optional() -> None:
    config = ObelicsConfig(page=TextRules(max_flagged_words=0.0, min_common_words=1.0))
    assert judge(obelics, GOOD, config) == Kept()
    lists = WordLists(flagged_words=frozenset(("rain",)), common_words=frozenset(("the",)))
    scores = obelics.measure(Text(GOOD, lists))
    assert set(scores) - set(obelics.measure(Text(GOOD))) == {"obelics_flagged_words", "obelics_common_words"}
    assert scores["obelics_flagged_words"] == pytest.approx(1 / 44)
    assert scores["obelics_common_words"] == pytest.approx(5 / 44)
    assert judge(obelics, GOOD, config, lists) == Rejected("flagged_words", 1 / 44, 0.0)


def test_without_thresholds_everything_passes() -> None:
    assert judge(obelics, "x", ObelicsConfig()) == Kept()
    assert paragraph("x", ObelicsConfig()) == Kept()


def test_a_paragraph_just_long_enough_is_judged_by_its_punctuation() -> None:
    text = "the cat is on the mat and it is there for all of us"
    words = len(text.split())
    assert paragraph(text, replace(OBELICS_TEXT, min_paragraph_words_for_punctuation=words + 1)) == Kept()
    judged = paragraph(text, replace(OBELICS_TEXT, min_paragraph_words_for_punctuation=words))
    assert judged == Rejected("too_little_punctuation", 0.0, 0.001)


@pytest.mark.parametrize("name", ["stop_words", "spam_words"])
def test_word_lists_are_lower_case_words(name: str) -> None:
    words = word_list(name)
    assert len(words) > 30
    assert all(word == word.lower() and " " not in word for word in words)
