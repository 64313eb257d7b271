"""The shape of a folder fills a `model` table; what the user typed must agree with it."""

from typing import Any

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.hub.shapes import flattened, nested, take_shape

SHAPE = {"width": 16, "image.size": 32, "image.layers": [1, 2]}


def test_tables_are_flattened_and_nested_again() -> None:
    tables = {"width": 16, "image": {"size": 32, "layers": [1, 2]}}
    assert flattened(tables) == SHAPE
    assert nested(SHAPE) == tables


@pytest.mark.parametrize(
    ("model", "typed", "expected"),
    [
        ({}, None, {}),
        (
            {"init": "x", "trim": True, "image": {"dropout": 0.5}},
            None,
            {"init": "x", "trim": True, "image.dropout": 0.5},
        ),
        ({"width": 16, "image": {"layers": (1, 2)}}, None, {}),
        ({"width": 64, "image": {"size": 224}}, {"train.steps"}, {}),
        ({"image": {"size": 64}}, {"model.image.size"}, {"image.size": 64}),
        ({"image": {"size": 64}}, None, {"image.size": 64}),
    ],
)
def test_the_folders_shape_goes_into_the_table(model: dict[str, Any], typed: Any, expected: dict[str, Any]) -> None:
    assert flattened(take_shape(model, SHAPE, "folder", typed, free=("image.size",))) == SHAPE | expected


@pytest.mark.parametrize("typed", [None, {"model.width", "model.image.layers"}])
def test_a_typed_shape_that_contradicts_is_refused_by_key_and_values(typed: Any) -> None:
    with pytest.raises(ConfigError, match=r"model\.width is 64, and 16 in folder .*leave model\.width out"):
        take_shape({"width": 64}, SHAPE, "folder", typed)
    with pytest.raises(ConfigError, match=r"model\.image\.layers is 12, and \[1, 2\] in folder"):
        take_shape({"image": {"layers": 12}}, SHAPE, "folder", typed)
