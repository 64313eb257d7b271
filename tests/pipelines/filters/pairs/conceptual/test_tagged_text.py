"""Words have places in their text, and entities are runs of words of one kind."""

from collections.abc import Sequence

import pytest

from corpusloom.pipelines.filters.pairs.conceptual.tagged_text import Word, tag_text
from tests.pipelines.filters.pairs.conceptual.capitals import Capitals


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A dog's bed, 20 km away", ["A", "dog", "'s", "bed", ",", "20", "km", "away"]),
        ("AT&T in the U.S. and well-known", ["AT&T", "in", "the", "U.S.", "and", "well-known"]),
        ("It’s (here)...", ["It", "’s", "(", "here", ")", ".", ".", "."]),
        ("  ", []),
    ],
)
def test_a_text_is_cut_into_words_endings_and_marks(text: str, words: list[str]) -> None:
    tagged = tag_text(text, Capitals())
    assert [word.text for word in tagged.words] == words
    assert all(text[word.start : word.end] == word.text for word in tagged.words)


def test_a_text_without_words_is_not_given_to_the_tagger() -> None:
    def refuse(words: Sequence[str]) -> Sequence[tuple[str, str]]:
        raise AssertionError(words)

    assert tag_text("", refuse).words == ()  # type: ignore[arg-type]


def test_adjacent_words_of_one_kind_are_one_entity() -> None:
    tagged = tag_text("TOM HANKS, BRAD PITT", Capitals())
    assert [[word.text for word in run] for run in tagged.entities()] == [["TOM", "HANKS"], ["BRAD", "PITT"]]
    assert list(tag_text("the dog", Capitals()).entities()) == []


@pytest.mark.parametrize(
    ("word", "mark", "content"),
    [
        (Word("dog", 0, "NN"), False, True),
        (Word("runs", 0, "VBZ"), False, True),
        (Word("the", 0, "DT"), False, False),
        (Word("&", 0, "CC"), True, False),
        (Word("2012", 0, "CD"), False, False),
    ],
)
def test_words_are_marks_content_or_neither(word: Word, mark: bool, content: bool) -> None:
    assert (word.is_mark, word.is_content) == (mark, content)
