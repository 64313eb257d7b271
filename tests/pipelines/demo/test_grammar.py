"""The words of the demo website follow from the picture and its seed."""

import dataclasses
import itertools
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


def test_a_caption_names_the_class_in_its_first_6_of_4_to_14_words() -> None:
    captions = []
    for seed in range(200):
        picture = drawing.make_picture("blue heart", seed)
        captions.append(grammar.caption(picture, grammar.house_style(seed)))
        words = captions[-1].split()
        assert 4 <= len(words) <= 14
        assert "blue" in words[:6]
        assert any(word.startswith("heart") for word in words[:6])
        assert captions[-1] == grammar.caption(picture, grammar.house_style(seed)) == " ".join(words)
    assert len(set(captions)) > 100


def test_pages_beside_each_other_differ_in_the_form_of_captions() -> None:
    styles = [grammar.house_style(number) for number in range(15)]
    assert all(one != next_one for one, next_one in itertools.pairwise(styles))
    assert len(set(styles)) == 7


def test_captions_of_one_style_have_one_form() -> None:
    picture = dataclasses.replace(PICTURE, place="on the left")
    other = dataclasses.replace(picture, colour="blue", seed=5)
    for number in range(7):
        style = grammar.house_style(number)
        assert grammar.caption(other, style) == grammar.caption(picture, style).replace("red", "blue")


def test_the_class_of_a_picture_is_found_in_its_caption() -> None:
    for seed, label in enumerate(drawing.classes()):
        assert grammar.label_of(grammar.caption(drawing.make_picture(label, seed), grammar.house_style(seed))) == label
    assert grammar.label_of("the blue teapot") is None


def test_remarks_are_sentences_and_consecutive_seeds_give_different_ones() -> None:
    remarks = [grammar.remark(drawing.make_picture("green arrow", seed)) for seed in range(50)]
    assert all(re.fullmatch(r"[A-Z][^.]+\.", remark) for remark in remarks)
    assert all(len(set(remarks[at : at + 9])) == 9 for at in range(0, 40))
    about = [remark for remark in remarks if "green" in remark or "arrow" in remark]
    assert 15 <= len(about) <= 40


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
