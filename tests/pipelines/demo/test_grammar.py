"""The words of the demo website follow from the picture and its seed."""

import dataclasses
import re

import numpy as np
import pytest

from corpusloom.pipelines.demo import drawing, grammar

PICTURE = dataclasses.replace(drawing.make_picture("red star", 3), count=1, size="large")


@pytest.mark.parametrize(
    ("count", "shape", "phrase"),
    [
        (1, "star", "large red star"),
        (2, "star", "large red stars"),
        (2, "cross", "large red crosses"),
        (3, "ring", "large red rings"),
    ],
)
def test_a_noun_phrase_says_how_many_of_what(count: int, shape: str, phrase: str) -> None:
    picture = dataclasses.replace(PICTURE, count=count, shape=shape)
    assert grammar.noun_phrase(picture) == f"{grammar.NUMBERS[count]} {phrase}"


def test_a_caption_names_the_class_in_4_to_14_words_and_is_that_of_its_seed() -> None:
    for seed in range(200):
        picture = drawing.make_picture("blue heart", seed)
        words = grammar.caption(picture).split()
        assert 4 <= len(words) <= 14
        assert "blue" in words
        assert any(word.startswith("heart") for word in words)
        assert grammar.caption(picture) == " ".join(words)
    captions = {grammar.caption(drawing.make_picture("blue heart", seed)) for seed in range(200)}
    assert len(captions) > 100


def test_the_class_of_a_picture_is_found_in_its_caption() -> None:
    for seed, label in enumerate(drawing.classes()):
        assert grammar.label_of(grammar.caption(drawing.make_picture(label, seed))) == label
    assert grammar.label_of("the blue teapot") is None


def test_a_description_says_what_is_seen_and_on_what() -> None:
    for seed in range(50):
        picture = drawing.make_picture("green arrow", seed)
        text = grammar.describe(picture)
        assert grammar.noun_phrase(picture) in text
        assert f"{picture.pattern} {picture.background} background" in text


def test_a_story_has_so_many_sentences_and_is_that_of_its_seed() -> None:
    text = grammar.story(5, 4)
    assert len(re.findall(r"[A-Z][^.]*\.", text)) == text.count(".") == 4
    assert text == grammar.story(5, 4)
    assert text != grammar.story(6, 4)


def test_a_sentence_begins_with_a_capital_and_ends_with_a_stop() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert re.fullmatch(r"[A-Z][^.]+\.", grammar.sentence(rng))


def test_titles_count_their_parts_from_1_to_97() -> None:
    parts = {int(grammar.title(seed, "Stars").rsplit(" ", 1)[1]) for seed in range(97)}
    assert parts == set(range(1, 98))
    assert grammar.title(0, "Stars").startswith("Stars: ")
