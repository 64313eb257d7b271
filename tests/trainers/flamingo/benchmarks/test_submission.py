"""ModelOutputs in the forms of submissions."""

import io
import json

import numpy as np
import pytest
import torch

from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.flamingo.benchmarks.submission import FORMS, ModelOutputs

TEXTS = ["a cat", "né"]
SCORES = torch.tensor([[-1.0, -2.0], [-3.0, -1.0]])


def item(key: str | int) -> Item:
    return Item(key=key, media=(), prompt="", candidates=("x", "y"), info={"image_id": 7, "round_id": 3})


@pytest.mark.parametrize(
    ("form", "keys", "outputs", "wanted"),
    [
        ("captions", (7, 8), TEXTS, [{"image_id": 7, "caption": "a cat"}, {"image_id": 8, "caption": "né"}]),
        ("answers", (7, 8), TEXTS, [{"question_id": 7, "answer": "a cat"}, {"question_id": 8, "answer": "né"}]),
        ("image_answers", ("i", "j"), TEXTS, [{"image": "i", "answer": "a cat"}, {"image": "j", "answer": "né"}]),
        ("clip_answers", ("v", "v"), TEXTS, [{"video_id": "v", "answer": "a cat"}, {"video_id": "v", "answer": "né"}]),
        ("texts", ("v", "w"), TEXTS, {"v": "a cat", "w": "né"}),
        (
            "choices",
            ("Interaction_T1_1", "Sequence_T2_1"),
            SCORES,
            {
                "Interaction": [{"question_id": "Interaction_T1_1", "answer": 0}],
                "Sequence": [{"question_id": "Sequence_T2_1", "answer": 1}],
            },
        ),
        (
            "ranks",
            ("a", "b"),
            SCORES,
            [{"image_id": 7, "round_id": 3, "ranks": [1, 2]}, {"image_id": 7, "round_id": 3, "ranks": [2, 1]}],
        ),
    ],
)
def test_a_json_form_is_that_of_its_benchmark(
    form: str, keys: tuple[str | int, str | int], outputs: ModelOutputs, wanted: object
) -> None:
    ending, make = FORMS[form]
    assert ending == "json"
    assert json.loads(make([item(key) for key in keys], outputs)) == wanted


def test_probabilities_are_rows_and_scores_a_matrix() -> None:
    items = [item(42), item(43)]
    lines = FORMS["probabilities"][1](items, SCORES).decode().splitlines()
    assert lines == ["id,proba,label", "42,0.268941,0", "43,0.880797,1"]
    assert np.array_equal(np.load(io.BytesIO(FORMS["scores"][1](items, SCORES))), SCORES.numpy())


def test_answers_about_a_video_stand_together() -> None:
    items = [Item(key=f"5_{number}", media=(), prompt="", info={"video": "5", "qid": number}) for number in "04"]
    assert json.loads(FORMS["video_answers"][1](items, TEXTS)) == {"5": {"0": "a cat", "4": "né"}}
