"""Code that filters share: a text with its tokens, and judging one text by one filter."""

from dataclasses import dataclass, fields

import pytest

from corpusloom.pipelines.filters import gopher_quality, pii
from corpusloom.pipelines.filters.gopher_quality import QualityConfig
from corpusloom.pipelines.filters.text.text_filter import Text, WordLists, block_filter, judge, text_filter
from corpusloom.pipelines.filters.text.words import split_words
from corpusloom.schemas.verdicts import Kept, Rejected


def test_tokens_are_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(text: str) -> list[str]:
        calls.append(text)
        return split_words(text)

    monkeypatch.setattr("corpusloom.pipelines.filters.text.text_filter.split_words", counted)
    text = Text("Two words.")
    assert text.words == text.words == ["Two", "words", "."]
    assert calls == ["Two words."]


def test_a_text_has_no_lists_and_no_known_language_of_its_own() -> None:
    assert Text("x").lists == WordLists(bad_words=None, flagged_words=None, common_words=None)
    assert Text("x").language is None


def test_one_filter_judges_one_text() -> None:
    assert judge(gopher_quality, "one two", QualityConfig(min_words=2)) == Kept()
    assert judge(gopher_quality, "one two", QualityConfig(min_words=3)) == Rejected("too_few_words", 2.0, 3)


def test_a_registered_field_is_off_by_default_and_says_for_which_kinds_it_is() -> None:
    @dataclass(frozen=True)
    class Some:
        quality: QualityConfig | None = text_filter(gopher_quality)
        masks: pii.PiiConfig | None = block_filter(pii, ("pairs",))

    quality, masks = fields(Some)
    assert (Some().quality, Some().masks) == (None, None)
    assert quality.metadata["text_filter"] is gopher_quality
    assert quality.metadata["kinds"] == ("interleaved",)
    assert (masks.metadata["module"], masks.metadata["kinds"]) == (pii, ("pairs",))
    assert quality.metadata["threshold"]
    assert masks.metadata["threshold"]
