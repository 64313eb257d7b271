"""Reads TOML and overrides into frozen dataclasses, for recipes and training configurations."""

import ast
import dataclasses
import difflib
import inspect
import itertools
import json
import math
import sys
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from types import NoneType
from typing import Any, TypeVar

import dacite

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError

T = TypeVar("T")
OFF = "off"
"""The value of an assignment that turns a rule off, or unsets a key: `--set filters.max_aspect=off`."""


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


@lru_cache(maxsize=64)
def field_docs(cls: type) -> dict[str, str]:
    """Return the docstring of each field of a dataclass, on one line."""
    tree = ast.parse(inspect.getsource(sys.modules[cls.__module__]))
    body = next(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == cls.__name__)
    found = {}
    for item, doc in itertools.pairwise(body):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and isinstance(doc, ast.Expr):
            found[item.target.id] = " ".join(str(ast.literal_eval(doc.value)).split())
    return found


def load_toml(path: str) -> dict[str, Any]:
    """Read a TOML file; a missing or malformed one is a ConfigError that names it."""
    try:
        return tomllib.loads(storage.read_bytes(path).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not valid TOML: {error}", where=path) from error


def override(values: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return `values` with each `dotted.key=value` set; a value is read as TOML, else as a string; `off` is None."""
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
        if text.strip() == OFF:
            table[leaf] = None
            continue
        try:
            table[leaf] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            table[leaf] = text
    return result


def build(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Build a frozen dataclass from nested tables; an unknown key is an error that suggests the nearest one."""
    _check_keys(cls, values, where, "", tuple(_paths(cls)))
    try:
        return dacite.from_dict(
            cls, dict(values), dacite.Config(strict=True, cast=[tuple], type_hooks={float: _to_float})
        )
    except dacite.WrongTypeError as error:
        what = f"{error.field_path} is {error.value!r}, not {type_words(error.field_type)}"
        raise ConfigError(what, where=where, remedy="give such a value") from error
    except dacite.DaciteError as error:
        raise ConfigError(str(error), where=where) from error


def type_words(hint: Any) -> str:
    """Return a type in plain words: `int | None` is "a whole number"."""
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    words = [_WORDS.get(typing.get_origin(option) or option, "a table") for option in options if option is not NoneType]
    return " or ".join(dict.fromkeys(words))


_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple: "a list",
    dict: "a table",
}


def nearest_key(path: str, known: Sequence[str]) -> str | None:
    """Return the known key nearest to a misspelt one, whose tables may be wrong or left out; None if none is near."""
    whole = difflib.get_close_matches(path, known, 1, 0.85)
    if whole:
        return whole[0]
    leaves = {key.rpartition(".")[2] for key in known}
    own = path.rpartition(".")[2]
    initials = "".join(word[:1] for word in own.split("_"))
    leaf = [initials] if "_" in own and initials in leaves else difflib.get_close_matches(own, leaves, 1, 0.75)
    found = [key for key in known if leaf and key.rpartition(".")[2] == leaf[0]]
    near = difflib.get_close_matches(path, found or known, 1, 0.0 if found else 0.6)
    return near[0] if near else None


def unknown_key(path: str, known: Sequence[str], where: str, remedy: str) -> ConfigError:
    """Return the error for a key that does not exist, which suggests the nearest one, else gives another remedy."""
    near = nearest_key(path, known)
    return ConfigError(f"unknown key {path}", where=where, remedy=f"did you mean {near}?" if near else remedy)


def _paths(cls: Any, prefix: str = "") -> Iterator[str]:
    """Yield the dotted paths of all keys of a dataclass, tables included."""
    hints = typing.get_type_hints(cls)
    for item in dataclasses.fields(cls):
        yield f"{prefix}{item.name}"
        for option in typing.get_args(hints[item.name]) or (hints[item.name],):
            if dataclasses.is_dataclass(option):
                yield from _paths(option, f"{prefix}{item.name}.")


def _to_float(value: Any) -> Any:
    """Convert an int to float if the field's type is float."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_keys(cls: Any, values: Mapping[str, Any], where: str, prefix: str, known: Sequence[str]) -> None:
    hints = typing.get_type_hints(cls)
    names = [item.name for item in dataclasses.fields(cls)]
    for name, value in values.items():
        if name not in names:
            raise unknown_key(f"{prefix}{name}", known, where, f"known: {', '.join(names)}")
        options = typing.get_args(hints[name]) if _is_union(hints[name]) else (hints[name],)
        _check_value(f"{prefix}{name}", value, options, where)
        for option in options:
            if dataclasses.is_dataclass(option) and isinstance(value, Mapping):
                _check_keys(option, value, where, f"{prefix}{name}.", known)
        if typing.get_origin(hints[name]) is dict and isinstance(value, Mapping):
            _check_tables(typing.get_args(hints[name])[1], value, where, f"{prefix}{name}.")


def _check_tables(cls: Any, values: Mapping[str, Any], where: str, prefix: str) -> None:
    """Check the keys of tables whose names are free."""
    for name, value in values.items():
        if dataclasses.is_dataclass(cls) and isinstance(value, Mapping):
            inner = f"{prefix}{name}."
            _check_keys(cls, value, where, inner, tuple(_paths(cls, inner)))


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
