"""Tables of a model's configuration in another layout, and the refusal of a value that this model lacks."""

from collections.abc import Mapping
from typing import Any

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.hub.tensors import COPY_AGAIN

Keys = Mapping[str, Mapping[str, tuple[str, int]]]
"""Side -> our key -> (key of the other layout, its default)."""


def refuse(where: str, key: str, value: object, known: object) -> ConfigError:
    """Return the error for a value of a key that this model lacks."""
    return ConfigError(f"{key} is {value!r}", where=where, remedy=f"supported: {known}")


def sides_of(config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return side -> its table; a table `NAME_dict`, which old versions wrote beside `NAME`, goes first."""
    return {side: {**_table(config, key), **_table(config, f"{key}_dict")} for side, key in names.items()}


def _table(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise ConfigError(f"{key} is no table", where="the model's configuration", remedy=COPY_AGAIN)
    return value


def ours_of(sides: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
    """Return {"image.layers": 12 ...} from the tables of both sides."""
    return {
        f"{side}.{ours}": sides[side].get(theirs, default)
        for side, table in keys.items()
        for ours, (theirs, default) in table.items()
    }


def theirs_of(values: Any, keys: Mapping[str, tuple[str, int]]) -> dict[str, Any]:
    """Return {"num_hidden_layers": 12 ...} from the configuration of one tower."""
    return {theirs: getattr(values, ours) for ours, (theirs, _) in keys.items()}
