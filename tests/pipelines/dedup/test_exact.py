"""Equal texts and equal sets of images share a key; others do not."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.dedup.exact import (
    image_set_key,
    loose_form,
    loose_words,
    paragraph_key,
    strict_form,
    text_key,
)
from corpusloom.schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "form"),
    [("Café  au\nlait!", "cafe au lait"), ("In 1984, no.", "in 0000 no"), ("“A” — b", "a b"), ("", "")],
)
def test_the_loose_form_drops_case_marks_and_punctuation(text: str, form: str) -> None:
    assert loose_form(text) == form


def test_all_punctuation_and_marks_of_unicode_go() -> None:
    every = "".join(chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] in "PM")
    assert len(every) > 2000
    assert loose_form(every) == ""


def test_marks_part_words_where_words_are_wanted() -> None:
    assert loose_words("well-known,old") == ["well", "known", "old"]
    assert loose_form("well-known") == "wellknown"


def test_strict_and_loose_differ() -> None:
    assert text_key("a  b") == text_key("a\nb")
    assert text_key("A b") != text_key("a b")
    assert text_key("A b!", "loose") == text_key("a b", "loose")
    assert text_key("Cafe\u0301") == text_key("Caf\u00e9")
    with pytest.raises(ConfigError, match="strict or loose"):
        text_key("a", "exact")


@given(st.text(max_size=80))
def test_forms_are_stable(text: str) -> None:
    assert strict_form(strict_form(text)) == strict_form(text)
    assert len(text_key(text)) == 32


@given(st.lists(st.text(min_size=1, max_size=5), max_size=6), st.randoms())
def test_an_image_set_has_no_order(images: list[str], random: object) -> None:
    shuffled = images + images[:1]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert image_set_key(shuffled) == image_set_key(images)
    assert image_set_key([*images, "another one"]) != image_set_key(images)


def test_a_paragraph_belongs_to_its_domain() -> None:
    assert paragraph_key("a.org", "Hello there!") == paragraph_key("a.org", "hello  there")
    assert paragraph_key("a.org", "Hello") != paragraph_key("b.org", "Hello")
