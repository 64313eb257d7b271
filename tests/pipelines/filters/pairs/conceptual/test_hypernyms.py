"""Captions lose names, dates and numbers; the expected texts are written by hand."""

import time
from pathlib import Path

import pytest

from corpusloom.pipelines.filters.pairs.conceptual.hypernyms import Hypernymised, replace_names
from corpusloom.pipelines.filters.pairs.conceptual.tagged_text import tag_text
from corpusloom.pipelines.filters.pairs.conceptual.taggers import load_tagger
from corpusloom.pipelines.filters.pairs.conceptual.wordnet import WordNetNouns
from tests.pipelines.filters.pairs.conceptual.small_wordnet import write_wordnet


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory: pytest.TempPathFactory) -> WordNetNouns:
    """Return a small WordNet."""
    folder: Path = write_wordnet(tmp_path_factory.mktemp("wordnet"))
    return WordNetNouns(str(folder))


def made(text: str, wordnet: WordNetNouns) -> Hypernymised:
    return replace_names(tag_text(text, load_tagger("textblob")), wordnet)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tom Hanks walks on the beach", "actor walks on the beach"),
        ("Tom Hanks's dog", "actor's dog"),
        ("Barack Obama walks on the beach", "person walks on the beach"),
        ("A day in London with Tom Hanks", "A day with actor"),
        ("An old man in Paris, France, at the beach", "An old man, at the beach"),
        ("The city of Paris", "The city of city"),
        ("The Toyota car of an old man", "The car of an old man"),
        ("An Obama poster on a wall", "A poster on a wall"),
        ("Actor Tom Hanks walks on the beach", "Actor walks on the beach"),
        ("A 20 km race through the park", "A race through the park"),
        ("Two old dogs on a mat", "old dogs on a mat"),
        ("The crowd at the festival on May 3, 2012", "The crowd at the festival"),
        ("The crowd on Monday at the festival", "The crowd at the festival"),
        ("A house in the 1920s", "A house"),
        ("A boat - 2012", "A boat"),
        ("A man who worked for 3 years in a park", "A man who worked in a park"),
        ("The march of the ants", "The march of the ants"),
        ("Stock of a shop", "Stock of a shop"),
        ("Paris and London", "cities"),
        ("a dog and a dog play in the park", "dogs play in the park"),
        ("the dog and a dog", "the dog and a dog"),
        ("dogs and dogs run", "dogs run"),
        ("a dog, a dog and a dog run", "dogs run"),
        ("Albert Einstein and an actor", "physicist and an actor"),
        ("A red car (new) - cheap", "A red car (new) - cheap"),
        ("", ""),
    ],
)
def test_names_dates_and_numbers_go(text: str, expected: str, wordnet: WordNetNouns) -> None:
    assert made(text, wordnet).text == expected


@pytest.mark.parametrize(
    ("text", "hypernyms", "unresolved", "words", "incomplete"),
    [
        ("Tom Hanks and Barack Obama run", ("actor", "person"), 0, 4, False),
        ("Paris and London", ("city",), 0, 1, False),
        ("Blorks sits in a park", (), 1, 5, False),
        ("A dog on the", (), 0, 4, True),
        ("A dog and", (), 0, 3, True),
        ("running fast", (), 0, 2, True),
        ("", (), 0, 0, True),
    ],
)
def test_hypernyms_names_and_words_are_counted(
    text: str, hypernyms: tuple[str, ...], unresolved: int, words: int, incomplete: bool, wordnet: WordNetNouns
) -> None:
    found = made(text, wordnet)
    assert (found.hypernyms, found.unresolved, found.words, found.is_incomplete) == (
        hypernyms, unresolved, words, incomplete
    )  # fmt: skip


@pytest.mark.parametrize("piece", ["a ", "Paris ", "May ", "in Paris, ", "1 ", "and ", ", ", "dog and ", "2012, "])
def test_hostile_texts_take_time_in_proportion(piece: str, wordnet: WordNetNouns) -> None:
    start = time.process_time()
    made(piece * (20_000 // len(piece)), wordnet)
    assert time.process_time() - start < 3.0
