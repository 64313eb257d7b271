"""Shots from the query's page: which texts and images they have, and the figures of what a model writes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.config import FlamingoDataConfig
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts import same_page
from corpusloom.trainers.flamingo.prompts.episodes import Example
from corpusloom.trainers.flamingo.prompts.same_page import TRIALS, Trial, gains, named, read_pages, shots_of
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.flamingo.test_data import VOCABULARY

TRANSFORM = FlamingoTransform(VOCABULARY, FlamingoDataConfig(), 8, augment=False)
PAGES = [
    [Example(np.full((1, 3, 8, 8), 10 * page + place, np.uint8), f"{page}.{place}") for place in range(5)]
    for page in range(3)
]


@pytest.mark.parametrize(
    ("trial", "page", "place", "wanted"),
    [
        (Trial(0), 0, 0, []),
        (Trial(2), 0, 1, [("0.2", 2), ("0.3", 3)]),
        (Trial(2), 2, 4, [("2.0", 20), ("2.1", 21)]),
        (TRIALS["f1_1_shot_wrong_image"], 2, 0, [("2.1", 1)]),
        (TRIALS["f1_1_shot_other_page"], 1, 4, [("2.0", 20)]),
    ],
)
def test_shots_are_those_after_the_query_and_a_control_changes_their_page(
    trial: Trial, page: int, place: int, wanted: list[tuple[str, int]]
) -> None:
    found = [(shot.text, int(shot.pixels.max())) for shot in shots_of(PAGES, page, place, trial)]
    assert found == wanted


def attributes(text: str) -> Mapping[str, str]:
    return {"colour": text.split()[0]} if text else {}


def test_attributes_are_named_if_they_are_the_references() -> None:
    figures = dict(named(["red star", "blue ring", ""], ["red ring", "red star", "blue star"], attributes))
    assert figures["colour_named"] == pytest.approx(1 / 3)
    assert (figures["colour_named_n"], figures["colour_named_chance"]) == (3, 0.5)


def test_the_gain_is_that_of_one_shot_over_none() -> None:
    written = {name: ["a b", "c d"] for name in TRIALS} | {"f1_0_shots": ["a x", "c d"]}
    figures = dict(gains(written, ["a b", "c d"]))
    assert (figures["f1_0_shots"], figures["f1_1_shot"], figures["f1_gain"]) == (0.75, 1.0, 0.25)
    assert figures["f1_1_shot_chance"] == 0


def test_a_caption_is_written_for_each_picture_of_each_page(model: Flamingo) -> None:
    written = same_page.write(model, TRANSFORM, PAGES, Trial(1))
    assert len(written) == 15
    assert written[5:10] == same_page.write(model, TRANSFORM, PAGES[1:2], Trial(1))


def test_a_page_with_too_few_pictures_for_its_shots_is_an_error(tmp_path: Path) -> None:
    (page,) = read_pages(write_pairs(tmp_path / "six", coloured_pairs(6)), TRANSFORM)
    assert [example.key for example in page] == sorted(example.key for example in page)
    assert len(page) == 6
    with pytest.raises(InputError, match=r"has 4 pairs \(5 per page are needed"):
        read_pages(write_pairs(tmp_path / "four", coloured_pairs(4)), TRANSFORM)
