"""Conceptual Captions' rules at their bounds; values of the scores are counted by hand."""

import pytest

from corpusloom.pipelines.filters.pairs.conceptual.caption_rules import ConceptualConfig, measure_tagged, rules
from corpusloom.pipelines.filters.pairs.conceptual.tagged_text import tag_text
from corpusloom.schemas.verdicts import Kept, Rejected, decide
from tests.pipelines.filters.pairs.conceptual.capitals import Capitals


def scores(text: str, bad_words: frozenset[str] | None = None) -> dict[str, float]:
    return measure_tagged(tag_text(text, Capitals()), bad_words)


def test_scores_are_counts_and_shares_of_words() -> None:
    # words: The old dog of TOM runs on the Dog 5 (10); nouns: dog, TOM, Dog; content: old dog TOM runs Dog
    assert scores("The old dog of TOM runs, on the Dog 5.") == {
        "determiners": 2.0,
        "nouns": 3.0,
        "prepositions": 2.0,
        "persons": 1.0,
        "polarity": 0.1,
        "noun_share": 0.3,
        "repeated_words": 0.2,
        "capital_start": 1.0,
        "capital_words": 0.3,
        "unique_words": 0.8,
    }


def test_a_text_without_words_has_counts_alone() -> None:
    assert scores("?!") == {"determiners": 0.0, "nouns": 0.0, "prepositions": 0.0, "persons": 0.0, "polarity": 0.0}
    assert "unique_words" not in scores("of the")


def test_bad_words_are_counted_if_there_is_a_list() -> None:
    assert scores("A Damn dog, damn", frozenset(("damn",)))["bad_words"] == 2.0
    assert scores("?!", frozenset(("damn",))) == scores("?!")


@pytest.mark.parametrize(
    ("text", "config", "verdict"),
    [
        ("dog dog cat cat", {"min_unique_words": 0.5}, Kept()),
        ("dog dog cat cat cat", {"min_unique_words": 0.5}, Rejected("repeated_content_words", 0.4, 0.5)),
        ("a dog", {"min_determiners": 1}, Kept()),
        ("dog", {"min_determiners": 1}, Rejected("no_determiner", 0, 1)),
        ("dog", {"min_nouns": 1}, Kept()),
        ("the old", {"min_nouns": 1}, Rejected("no_noun", 0, 1)),
        ("in", {"min_prepositions": 1}, Kept()),
        ("a dog", {"min_prepositions": 1}, Rejected("no_preposition", 0, 1)),
        ("a dog", {"max_noun_share": 0.5}, Kept()),
        ("a dog bed", {"max_noun_share": 0.5}, Rejected("too_many_nouns", 2 / 3, 0.5)),
        ("a b c d d", {"max_repeated_words": 0.2}, Kept()),
        ("a b c d d d d d d d", {"max_repeated_words": 0.2}, Rejected("repeated_words", 0.6, 0.2)),
        ("A dog", {"capital_start": True}, Kept()),
        ("5 dogs", {"capital_start": True}, Kept()),
        ("a Dog", {"capital_start": True}, Rejected("small_first_letter", 0, 1)),
        ("a Dog", {"max_capital_words": 0.5}, Kept()),
        ("A Dog", {"max_capital_words": 0.5}, Rejected("too_many_capital_words", 1, 0.5)),
        ("a terrible rat", {"min_polarity": -0.5}, Rejected("negative_caption", -1, -0.5)),
        ("the best rat", {"max_polarity": 0.5}, Rejected("positive_caption", 1, 0.5)),
        ("a rat", {"min_polarity": 0.0, "max_polarity": 0.0}, Kept()),
    ],
)
def test_each_threshold_has_two_sides(text: str, config: dict[str, float], verdict: object) -> None:
    assert decide(scores(text), rules(ConceptualConfig(**config))) == verdict  # type: ignore[arg-type]


@pytest.mark.parametrize(("measured", "kept"), [({}, True), ({"bad_words": 0.0}, True), ({"bad_words": 1.0}, False)])
def test_bad_words_are_bounded_where_they_are_measured(measured: dict[str, float], kept: bool) -> None:
    assert (decide(measured, rules(ConceptualConfig(max_bad_words=0))) == Kept()) is kept


def test_a_known_text_is_rejected_if_boilerplate_is_on() -> None:
    assert decide({"boilerplate_caption": 1.0}, rules(ConceptualConfig(boilerplate=True))) == Rejected(
        "boilerplate_caption", 1.0, 0
    )
    assert decide({"boilerplate_caption": 1.0}, rules(ConceptualConfig())) == Kept()
