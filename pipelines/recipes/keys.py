"""The keys of a recipe, derived from its dataclasses, with overrides (`--set`) and output as TOML.

A key is a *threshold* if its field is made by `threshold()` or is the table of a filter: if left out, it is off. Any
other key is a *setting*: it has a default in code and cannot be off.
"""

import dataclasses
import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corpusloom.pipelines.recipes.versions import FORMAT
from corpusloom.schemas import config as configs
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.verdicts import Above, Below

BOUNDS = (Above, Below)
"""Dataclasses that are values of a threshold, not tables of keys."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a recipe, or one of its tables."""

    path: str
    """Names of its tables and its own name, joined by dots: filters.images.min_side."""
    owner: type
    """Dataclass that holds the field."""
    item: "dataclasses.Field[Any]"
    hint: Any
    """Type of the value."""
    kinds: tuple[str, ...]
    """Kinds of recipe that may have the key; () means all kinds."""
    table: type | None
    """Dataclass of its keys if it is a table, else None."""

    @property
    def is_threshold(self) -> bool:
        """Return whether the key is a threshold, which may be off."""
        return configs.is_threshold(self.item)

    @property
    def default(self) -> Any:
        """Return the value if a recipe leaves the key out; `dataclasses.MISSING` for a required key."""
        if self.item.default_factory is not dataclasses.MISSING:
            return self.item.default_factory()
        return self.item.default


def table_of(hint: Any) -> type | None:
    """Return the dataclass of a field that is a table of keys; None for any other type."""
    options = [option for option in typing.get_args(hint) or (hint,) if dataclasses.is_dataclass(option)]
    tables = [option for option in options if option not in BOUNDS and isinstance(option, type)]
    return tables[0] if tables else None


def keys_of(cls: type, prefix: str = "", kinds: tuple[str, ...] = ()) -> Iterator[Key]:
    """Yield the keys of a configuration in the order of the fields, each table before its keys."""
    hints = typing.get_type_hints(cls)
    for item in dataclasses.fields(cls):
        own = tuple(item.metadata.get("kinds", ())) or kinds
        table = table_of(hints[item.name])
        yield Key(f"{prefix}{item.name}", cls, item, hints[item.name], own, table)
        if table is not None:
            yield from keys_of(table, f"{prefix}{item.name}.", own)


def changed_keys(config: Any, prefix: str = "", kinds: tuple[str, ...] = ()) -> Iterator[Key]:
    """Yield the keys whose values differ from their defaults."""
    for key in keys_of(type(config), prefix, kinds):
        if "." in key.path.removeprefix(prefix):
            continue
        value = getattr(config, key.item.name)
        if value == key.default:
            continue
        if key.table is None or key.default is None:
            yield key
        else:
            yield from changed_keys(value, f"{key.path}.", key.kinds)


def override(cls: type, values: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return the tables of a recipe file with each `dotted.key=value` set; the value `off` removes a threshold."""
    known = {key.path: key for key in keys_of(cls)}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        path = _written_out(name.strip(), known)
        key, parent = known.get(path), known.get(path.rpartition(".")[0])
        if equals and key is None and (parent is None or parent.table is not None):
            raise configs.unknown_key(path, tuple(known), "--set", "loom list keys lists them")
        if equals and text.strip() == configs.OFF and key is not None:
            _check_off(key)
            values = _without(values, path.split("."))
            continue
        if parent is not None and parent.table is None:  # filters.images.min_side.above=200 replaces a number
            values = _without(values, parent.path.split("."))
        values = configs.override(values, [f"{path}{equals}{text}"])
    return values


def _check_off(key: Key) -> None:
    """Raise ConfigError for a key that cannot be off."""
    if key.is_threshold or (key.item.default is None and not key.table):
        return
    default = "" if key.default is dataclasses.MISSING else f" (by default {json.dumps(key.default, default=str)})"
    what = "a table of settings" if key.table else f"a setting{default}"
    raise ConfigError(f"{key.path} cannot be off: it is {what}", where="--set", remedy="give a value, or leave it out")


def _without(values: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Return nested tables without the value at a path."""
    first, rest = path[0], path[1:]
    left = {name: value for name, value in values.items() if name != first}
    if rest and isinstance(values.get(first), Mapping):
        return {**left, first: _without(values[first], rest)}
    return left if not rest else dict(values)


def _written_out(path: str, known: Mapping[str, Key]) -> str:
    """Return the full path of a shortened one: filters.min_side -> filters.images.min_side.

    A short path that several tables have is a ConfigError.
    """
    first, _, rest = path.partition(".")
    name, dot, more = rest.partition(".")
    if first != "filters" or not name or f"filters.{name}" in known:
        return path
    found = [key.path for key in known.values() if re.fullmatch(rf"filters\.\w+\.{re.escape(name)}", key.path)]
    if len(found) > 1:
        raise ConfigError(f"{path} is ambiguous", where="--set", remedy=f"use one of {', '.join(found)}")
    return f"{found[0]}{dot}{more}" if found else path


def to_toml(config: Any) -> str:
    """Return a recipe as TOML for --print-config: all settings, and the thresholds that are on."""
    lines = [f"format = {FORMAT}"]
    _write_table(config, "", lines)
    return "\n".join(lines).strip() + "\n"


def _write_table(table: Any, prefix: str, lines: list[str]) -> None:
    tables = []
    for key in keys_of(type(table), prefix):
        if "." in key.path.removeprefix(prefix):
            continue
        value = getattr(table, key.item.name)
        if value is None or (key.is_threshold and value == key.default):
            continue
        if key.table is None:
            lines.append(f"{key.item.name} = {_toml_value(value)}")
        else:
            tables.append((key.path, value))
    for path, value in tables:
        lines.extend(("", f"[{path}]"))
        _write_table(value, f"{path}.", lines)


def _toml_value(value: Any) -> str:
    if isinstance(value, BOUNDS):
        pairs = (f"{name} = {_toml_value(bound)}" for name, bound in dataclasses.asdict(value).items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"\x7f", r"\\u007f", text)
