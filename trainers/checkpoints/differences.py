"""Differences between a checkpoint's run and the run that resumes it: each becomes a note, none is refused."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

UNIMPORTANT = ("name", "loader.")
"""Beginnings of the configuration keys on which no result of a run depends."""


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of nested tables, keys joined by dots."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line per key whose value is another than in the checkpoint; both are nested tables of plain values."""
    saved, present = (dict(flat(json.loads(json.dumps(values)))) for values in (before, now))
    for key in dict.fromkeys((*present, *saved)):
        if not key.startswith(UNIMPORTANT) and _value(saved, key) != _value(present, key):
            yield f"{key} is {_shown(present, key)} now, {_shown(saved, key)} in the checkpoint"


def _value(values: Mapping[str, Any], key: str) -> Any:
    """Return a value; an empty table, whose keys are listed when it has some, is none."""
    return None if values.get(key) == {} else values.get(key)


def _shown(values: Mapping[str, Any], key: str) -> str:
    return json.dumps(values[key]) if values.get(key) is not None else "unset"
