"""Texts become clean Unicode: characters are collapsed, dropped or kept."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.extract.reading.texts import BREAK, inline, preformatted


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("  a \n\t b  ", "a b"),
        ("a\xa0b", "a b"),
        (f"one{BREAK} two {BREAK}{BREAK}three", "one\ntwo\nthree"),
        ("co\xadop\u200berate\ufeff", "cooperate"),
        ("e\u0301", "é"),
        ("a\x07b\x7f", "ab"),
        ("a\x0cb \x07 c", "a b c"),
        (f"a{BREAK}\x1b{BREAK}b", "a\nb"),
        ("\ud800x", "x"),
        ("👩‍🚀 می‌خواهم", "👩‍🚀 می‌خواهم"),
        ("2\x0132 10\x01-6 5 cm\x012 (x+1)\x012 x\x01n", "2^32 10^-6 5 cm^2 (x+1)^2 x^n"),
        ("1\x01st word\x013 2 \x013 n\x01o a\x01[1]", "1st word3 2 3 no a[1]"),
        ("H\x022O 1010\x022 log\x022", "H2O 1010_2 log2"),
        ("", ""),
    ],
)
def test_inline_text_is_cleaned(raw: str, text: str) -> None:
    assert inline(raw) == text


def test_preformatted_keeps_white_space_inside() -> None:
    assert preformatted("\n  def f():\r\n\treturn 1  \n\n") == "  def f():\n\treturn 1"


@given(st.text())
def test_texts_can_be_written_anywhere(raw: str) -> None:
    for text in (inline(raw), preformatted(raw)):
        text.encode("utf-8")
        assert "\x00" not in text
        assert unicodedata.normalize("NFC", text) == text
    assert inline(raw) == inline(raw).strip()
