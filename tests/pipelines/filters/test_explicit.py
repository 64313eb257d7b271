"""Explicit words are counted against a list, and against nothing without one."""

import pytest

from corpusloom.pipelines.filters import explicit
from corpusloom.schemas.verdicts import Kept, decide

LIST = frozenset(("knave",))


@pytest.mark.parametrize(("others", "kept"), [(99, True), (98, False)])
def test_the_share_of_listed_words_is_bounded(others: int, kept: bool) -> None:
    scores = explicit.measure_explicit(["Knave", *["word"] * others], LIST)
    assert isinstance(decide(scores, explicit.rules(explicit.ExplicitConfig())), Kept) is kept


def test_without_a_list_nothing_is_measured() -> None:
    assert explicit.measure_explicit(["knave"], None) == {}
    assert explicit.measure_explicit([], LIST) == {"explicit_words": 0.0, "explicit_share": 0.0}
