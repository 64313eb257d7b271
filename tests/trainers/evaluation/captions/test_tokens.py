"""Words of captions."""

import pytest

from corpusloom.trainers.evaluation.captions.tokens import words_of


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man, riding; a horse.", "a man riding a horse"),
        ("The dog's ball isn’t red", "the dog 's ball is n't red"),
        ("a t-shirt of 1,000.50 dollars!", "a t-shirt of 1,000.50 dollars"),
        ("", ""),
    ],
)
def test_words_are_those_of_the_treebank_without_punctuation(caption: str, words: str) -> None:
    assert words_of(caption) == words.split()
