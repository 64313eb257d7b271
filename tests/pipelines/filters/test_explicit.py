"""Explicit words are counted against a list, and against nothing without one."""

import pytest

from corpusloom.pipelines.filters import explicit
from corpusloom.pipelines.filters.text.text_filter import Text, WordLists, judge
from corpusloom.schemas.verdicts import Kept, Rejected
from tests.pipelines.filters.published import EXPLICIT

LISTS = WordLists(bad_words=frozenset(("knave",)))


@pytest.mark.parametrize(("others", "kept"), [(99, True), (98, False)])
def test_the_share_of_listed_words_is_bounded(others: int, kept: bool) -> None:
    text = " ".join(["Knave", *["word"] * others])
    assert isinstance(judge(explicit, text, EXPLICIT, LISTS), Kept) is kept


def test_their_number_is_bounded_too() -> None:
    config = explicit.ExplicitConfig(max_words=1)
    assert judge(explicit, "a knave among many", config, LISTS) == Kept()
    assert judge(explicit, "knave and knave", config, LISTS) == Rejected("explicit_words", 2, 1)


def test_without_a_list_nothing_is_measured() -> None:
    assert explicit.measure(Text("knave")) == {}
    assert explicit.measure(Text("", LISTS)) == {"explicit_words": 0.0, "explicit_share": 0.0}
