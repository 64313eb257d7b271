"""Splitting texts into words and sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.filters.text.words import count_sentences, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A cat, a dog.", ["A", "cat", ",", "a", "dog", "."]),
        ("3.5 of 1,000", ["3.5", "of", "1,000"]),
        ("wait... what…", ["wait", "...", "what", "…"]),
        ("# tag\n- item", ["#", "tag", "-", "item"]),
        ("it's 'so', don't GLP-1", ["it", "'s", "'", "so", "'", ",", "don", "'t", "GLP-1"]),
        ("", []),
    ],
)
def test_texts_are_split_into_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@given(st.text(max_size=200))
def test_words_hold_every_character_but_white_space(text: str) -> None:
    assert "".join(split_words(text)) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ("One. And a rest", 2),
        ("No end", 1),
        ("", 0),
        ('He said "No." He left.', 2),
        ("...", 1),
    ],
)
def test_sentences_are_counted(text: str, count: int) -> None:
    assert count_sentences(text) == count
