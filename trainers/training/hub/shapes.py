"""Joins the shape in a folder's configuration with a run's `model` table, so that no shape need be typed."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from corpusloom.schemas.errors import ConfigError


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return {"image.size": 32} as {"image": {"size": 32}}."""
    tables: dict[str, Any] = {}
    for key, value in flat.items():
        *folders, leaf = key.split(".")
        table = tables
        for folder in folders:
            table = table.setdefault(folder, {})
        table[leaf] = value
    return tables


def flattened(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return {"image": {"size": 32}} as {"image.size": 32}."""
    flat: dict[str, Any] = {}
    for name, value in tables.items():
        flat |= flattened(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def take_shape(
    model: Mapping[str, Any],
    shape: Mapping[str, Any],
    folder: str,
    typed: Collection[str] | None = None,
    free: Collection[str] = (),
    *,
    where: str = "model.init",
) -> dict[str, Any]:
    """Return a `model` table with a folder's shape ({"image.size": 32 ...}).

    A key that was typed and contradicts the folder is a ConfigError that names both values, except a `free` one, which
    stays. `typed` are the keys that the user gave ("model.image.size"), None if all of the table is the user's; a
    bundled configuration's own shape gives way to the folder's. `where` is the key that names the folder.
    """
    flat = flattened(model)
    for key, value in shape.items():
        own = flat.get(key, value)
        is_typed = typed is None or f"model.{key}" in typed
        if is_typed and _plain(own) != _plain(value):
            if key in free:
                continue
            what = f"model.{key} is {json.dumps(own)}, and {json.dumps(value)} in {folder}"
            raise ConfigError(what, where=where, remedy=f"leave model.{key} out")
        flat[key] = _plain(value)
    return nested(flat)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
