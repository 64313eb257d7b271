"""Turns of dialogues in VisDial's format."""

from pathlib import Path
from typing import Any

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.benchmarks.benchmark import find
from corpusloom.trainers.flamingo.benchmarks.formats.dialogues import read_dialogues
from corpusloom.trainers.flamingo.benchmarks.formats.source import SplitSource
from tests.trainers.flamingo.benchmarks.folders import write

TURNS = [
    {"question": 0, "answer": 0, "answer_options": [1, 0], "gt_index": 1},
    {"question": 1, "answer": 1, "answer_options": [1, 0], "gt_index": 0},
]
DATA: dict[str, Any] = {
    "data": {
        "dialogs": [{"image_id": 7, "caption": "a cat", "dialog": TURNS}],
        "questions": ["is it black", "is it old"],
        "answers": ["yes", "no"],
    }
}
DENSE = "visdial_1.0_val_dense_annotations.json"


def test_a_turn_is_asked_after_the_caption_and_those_before(tmp_path: Path) -> None:
    write(tmp_path, "visdial_1.0_val.json", DATA)
    first, second = read_dialogues(SplitSource(find("visdial"), str(tmp_path), "val"))
    assert first.prompt == "a cat Question: is it black Answer:"
    assert second.prompt == "a cat Question: is it black Answer: yes Question: is it old Answer:"
    assert (second.candidates, second.answer, second.gains) == (("no", "yes"), "no", ())
    assert second.info == {"image_id": 7, "round_id": 2}
    assert second.media[0] == f"{tmp_path}/VisualDialog_val2018/VisualDialog_val2018_000000000007.jpg"


def test_with_relevances_the_turns_are_those_that_have_them(tmp_path: Path) -> None:
    write(tmp_path, "visdial_1.0_val.json", DATA)
    write(tmp_path, DENSE, [{"image_id": 7, "round_id": 2, "gt_relevance": [1.0, 0.5]}])
    (item,) = read_dialogues(SplitSource(find("visdial"), str(tmp_path), "val"))
    assert (item.key, item.gains) == ("7_2", (1.0, 0.5))


def test_another_number_of_relevances_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "visdial_1.0_val.json", DATA)
    write(tmp_path, DENSE, [{"image_id": 7, "round_id": 2, "gt_relevance": [1.0]}])
    with pytest.raises(InputError, match="record 0: ValueError: 1 relevances of 2 candidates"):
        read_dialogues(SplitSource(find("visdial"), str(tmp_path), "val"))
