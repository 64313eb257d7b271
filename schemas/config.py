"""Reads TOML and overrides into frozen dataclasses, for recipes and training configurations."""

import dataclasses
import difflib
import json
import math
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, TypeVar

import dacite

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError

T = TypeVar("T")
OFF = "off"
"""The value of an assignment that turns a rule off: `--set filters.max_aspect=off`."""


def threshold(off: Any = None, *, kinds: tuple[str, ...] = (), measured: bool = False) -> Any:
    """Return a dataclass field that holds a rule's threshold: a file that leaves it out turns the rule off.

    Every other field is a setting: it says how something is done and has a default.

    Args:
      off: The value that turns the rule off: None, False or ().
      kinds: The kinds of recipe that the rule is for; () is all of them.
      measured: Whether the value shapes what is measured, besides what is decided.
    """
    return field(default=off, metadata={"threshold": True, "kinds": kinds, "measured": measured})


def setting(default: T, *, kinds: tuple[str, ...]) -> T:
    """Return a dataclass field for a setting that only some kinds of recipe have."""
    made: T = field(default=default, metadata={"kinds": kinds})
    return made


def is_threshold(item: "dataclasses.Field[Any]") -> bool:
    """Return True if a field of a configuration is a rule's threshold, which may be off."""
    return bool(item.metadata.get("threshold"))


def table_type(hint: Any) -> Any:
    """Return the dataclass of a field `Table` or `Table | None`."""
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    return next(option for option in options if dataclasses.is_dataclass(option))


def load_toml(path: str) -> dict[str, Any]:
    """Read a TOML file; a missing or malformed one is a ConfigError that names it."""
    try:
        return tomllib.loads(storage.read_bytes(path).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not valid TOML: {error}", where=path) from error


def override(values: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return `values` with each `dotted.key=value` set; a value is read as TOML, else as a string."""
    result: dict[str, Any] = json.loads(json.dumps(values))
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"{assignment!r} is not KEY=VALUE", where="--set", remedy="e.g. filters.min_side=200")
        *folders, leaf = name.strip().split(".")
        table = result
        for folder in folders:
            table = table.setdefault(folder, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{folder!r} in {name!r} is a value, not a table", where="--set")
        try:
            table[leaf] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            table[leaf] = text
    return result


def build(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Build a frozen dataclass from nested tables; an unknown key is an error that suggests the nearest one."""
    _check_keys(cls, values, where, "")
    try:
        return dacite.from_dict(
            cls, dict(values), dacite.Config(strict=True, cast=[tuple], type_hooks={float: _to_float})
        )
    except dacite.DaciteError as error:
        raise ConfigError(str(error), where=where) from error


def _to_float(value: Any) -> Any:
    """Convert an int to float if the field's type is float."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_keys(cls: Any, values: Mapping[str, Any], where: str, prefix: str) -> None:
    hints = typing.get_type_hints(cls)
    names = [item.name for item in dataclasses.fields(cls)]
    for name, value in values.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            remedy = f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(names)}"
            raise ConfigError(f"unknown key {prefix}{name}", where=where, remedy=remedy)
        options = typing.get_args(hints[name]) if _is_union(hints[name]) else (hints[name],)
        _check_value(f"{prefix}{name}", value, options, where)
        for option in options:
            if dataclasses.is_dataclass(option) and isinstance(value, Mapping):
                _check_keys(option, value, where, f"{prefix}{name}.")


def _check_value(key: str, value: Any, options: Sequence[Any], where: str) -> None:
    """Raise ConfigError for a value that dacite would take although it is of another type than the field.

    It casts any value to a tuple, a string to its characters and an empty table to (), and takes true as the number 1.
    """
    if all(typing.get_origin(option) is tuple for option in options) and not isinstance(value, list | tuple):
        raise ConfigError(f"{key} is {value!r}, not a list", where=where, remedy=f"write {key} = [...]")
    if isinstance(value, bool) and bool not in options and (int in options or float in options):
        raise ConfigError(f"{key} is {str(value).lower()}, not a number", where=where)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key} is {value}, not a finite number", where=where, remedy="leave it out to turn it off")


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)
