"""Actions in RareAct's format."""

from pathlib import Path

import pytest

from corpusloom.trainers.flamingo.benchmarks.benchmark import find
from corpusloom.trainers.flamingo.benchmarks.formats.actions import read_actions, sentence
from corpusloom.trainers.flamingo.benchmarks.formats.source import SplitSource
from tests.trainers.flamingo.benchmarks.folders import table, write


@pytest.mark.parametrize(
    ("verb", "noun", "text"),
    [
        ("cut", "laptop", "a person cuts a laptop"),
        ("wash", "apple", "a person washes an apple"),
        ("dry", "egg", "a person dries an egg"),
        ("spray", "book", "a person sprays a book"),
    ],
)
def test_an_action_is_a_sentence_in_the_third_person(verb: str, noun: str, text: str) -> None:
    assert sentence(verb, noun) == text


def test_all_actions_are_the_candidates_in_the_order_of_their_classes(tmp_path: Path) -> None:
    row = {"id": 14, "video_id": "v", "start": 3, "end": 5, "class_id": 8, "verb": "cut", "noun": "laptop"}
    other = row | {"id": 15, "class_id": 2, "verb": "peel", "noun": "egg", "annotation": 4}
    write(tmp_path, "rareact.csv", table([row | {"annotation": 1}, other]))
    first, second = read_actions(SplitSource(find("rareact"), str(tmp_path), "test"))
    assert first.candidates == ("a person peels an egg", "a person cuts a laptop")
    assert (first.own, second.own, first.start, first.info["annotation"]) == (1, 0, 3.0, 1)
