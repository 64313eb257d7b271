"""A language model's configuration: its two tables, and mistakes in them."""

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.lm.config import data_config, model_config, tables_of
from corpusloom.trainers.training.config import load_config


def test_the_shipped_configuration_has_both_tables() -> None:
    config = load_config("lm-tiny")
    assert model_config(config).shape == {**(model_config(config).shape or {}), "model_type": "gpt2", "n_embd": 160}
    assert data_config(config).tokens == 256
    assert set(tables_of(config)) == {"model", "data"}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("model.shpe=3", "did you mean shape"),
        ("model.shape=off", "no language model"),
        ("data.tokens=0", "tokens is 0"),
        ("model.init=3", "init is 3, not a text"),
    ],
)
def test_mistakes_are_named(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tables_of(load_config("lm-tiny", [assignment]))
