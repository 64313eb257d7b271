"""Flamingo's configuration: three parts of the model table, and mistakes in them."""

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo.config import parts, tables_of
from corpusloom.trainers.training.config import load_config


def test_the_model_table_has_three_parts_and_mistakes_in_each_are_named() -> None:
    shape, vision, language = parts(load_config("flamingo-tiny"))
    assert (shape.every, vision.config, language.weights) == (1, "clip-tiny", "bundled")
    for key in ("model.latnts=2", "model.vision.cnfig='x'", "model.language.wights='x'"):
        with pytest.raises(ConfigError, match="did you mean"):
            parts(load_config("flamingo-tiny", [key]))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("data.mixing='sometimes'", "mixing is 'sometimes'.*accumulate or round_robin"),
        ("data.saturation=1.5", r"saturation is 1\.5.*0 up to 1"),
        ("model.gate='open'", "gate is 'open'.*tanh or none"),
        ("model.pool='max'", "pool is 'max'.*resampler or mean"),
    ],
)
def test_a_value_without_a_meaning_is_refused(key: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tables_of(load_config("flamingo-tiny", [key]))
