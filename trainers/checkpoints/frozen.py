"""Frozen parts of a model: a checkpoint names them by path and sha256 instead of holding their weights."""

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.trainers.checkpoints import folders

SHIPPED = ""
"""Recorded path of weights that ship with the package, wherever it is installed."""


def weights_digest(path: str) -> str:
    """Return the sha256 over the names and sha256 of a part's files: a file, a folder of safetensors, or a checkpoint.

    A checkpoint, or the folder of a run, has the sha256 of its files in checkpoint.json.
    """
    if storage.exists(path) and not storage.is_folder(path):
        files = {"": storage.hash_file(path)[0]}
    elif names := storage.listing(path, folders.SHARD_SUFFIX):
        if storage.exists(storage.join(path, folders.COMMIT)):
            files = folders.read_commit(path)["files"]
        else:
            files = {name: storage.hash_file(storage.join(path, name))[0] for name in names}
    else:
        files = folders.read_commit(folders.find(path))["files"]
    chosen = sorted((name, digest) for name, digest in files.items() if not name or name.endswith(folders.SHARD_SUFFIX))
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in chosen).encode()).hexdigest()


def record(parts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return {configuration key: {path, sha256}} for checkpoint.json, of {configuration key: path}."""
    return {key: {"path": _recorded_path(path), "sha256": weights_digest(path)} for key, path in parts.items()}


def _recorded_path(path: str) -> str:
    """Return a path that holds in any working directory; SHIPPED for a folder of the package."""
    if not storage.is_local(path):
        return path
    absolute = os.path.abspath(storage.filesystem(path)[1])
    return SHIPPED if absolute.startswith(_package() + os.sep) else absolute


@cache
def _package() -> str:
    return os.path.abspath(str(resources.files("corpusloom")))


def places(recorded: Mapping[str, Any]) -> dict[str, str]:
    """Return {configuration key: path} of what a checkpoint records, without what ships with the package."""
    return {key: str(entry["path"]) for key, entry in recorded.items() if entry["path"] != SHIPPED}


def check_present(recorded: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raise InputError, with the assignment that helps, if a frozen part is not where a configuration says.

    `recorded` is what checkpoint.json names, `config` the configuration as nested tables of plain values.
    """
    for key in places(recorded):
        value: Any = config
        for word in key.split("."):
            value = value.get(word) if isinstance(value, Mapping) else None
        if not value or not storage.exists(str(value)):
            raise InputError(f"the frozen part {key} is not there", where=str(value), remedy=_assignment(key))


def check_unchanged(recorded: Mapping[str, Any], parts: Mapping[str, str]) -> None:
    """Raise DamageError if a model's frozen parts, {configuration key: path}, are not those that a checkpoint names."""
    for key, entry in recorded.items():
        if key not in parts:
            raise InputError(
                f"the checkpoint was trained on a frozen part, and the configuration names none at {key}",
                where=str(entry["path"]),
                remedy=_assignment(key),
            )
        if weights_digest(parts[key]) != entry["sha256"]:
            raise DamageError(
                f"the frozen part {key} differs from the one that the checkpoint was trained on (sha256)",
                where=parts[key],
                remedy=_assignment(key),
            )


def _assignment(key: str) -> str:
    return f"--set \"{key}='PATH'\", where PATH has the weights that the checkpoint was trained on"
