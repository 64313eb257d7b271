"""Frozen parts of a model: a checkpoint names them by path and sha256 instead of holding their weights."""

import hashlib
import json
import os
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.trainers.checkpoints import folders

PACKAGE = "package:"
"""Beginning of the recorded path of weights that ship with the package, wherever it is installed."""


def weights_digest(path: str) -> str:
    """Return the sha256 over the names and sha256 of a part's files: a file, a folder of safetensors, or a checkpoint.

    A checkpoint has the sha256 of its files in checkpoint.json.
    """
    if not storage.is_folder(path):
        files = {"": storage.hash_file(path)[0]}
    elif folders.is_complete(path):
        files = folders.read_commit(path)["files"]
    else:
        names = storage.listing(path, folders.SHARD_SUFFIX)
        files = {name: storage.hash_file(storage.join(path, name))[0] for name in names}
    chosen = sorted((name, digest) for name, digest in files.items() if not name or name.endswith(folders.SHARD_SUFFIX))
    if not chosen:
        raise InputError("holds no safetensors", where=path, remedy="give a folder with weights")
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in chosen).encode()).hexdigest()


def place_of(path: str) -> str:
    """Return a path that holds in any working directory: the newest checkpoint of a run, else the path itself."""
    has_weights = not storage.is_folder(path) or storage.listing(path, folders.SHARD_SUFFIX)
    found = path if has_weights else folders.find(path)
    return os.path.abspath(storage.filesystem(found)[1]) if storage.is_local(found) else found


def record(parts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return {configuration key: {path, sha256}} for checkpoint.json, of {configuration key: path}."""
    return {key: {"path": _recorded(path), "sha256": weights_digest(path)} for key, path in parts.items()}


def _recorded(path: str) -> str:
    inside = storage.is_local(path) and path.startswith(_package() + os.sep)
    return PACKAGE + os.path.relpath(path, _package()) if inside else path


@cache
def _package() -> str:
    return os.path.abspath(str(resources.files("corpusloom")))


def assignments(recorded: Mapping[str, Any]) -> list[str]:
    """Return KEY=PATH of what a checkpoint names, without what ships with the package."""
    paths = {key: str(entry["path"]) for key, entry in recorded.items()}
    return [f"{key}={json.dumps(path)}" for key, path in paths.items() if not path.startswith(PACKAGE)]


def places(recorded: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    """Return {configuration key: path} of the parts that a checkpoint names, where a configuration says that they are.

    `config` is nested tables of plain values. Raises InputError, with the assignment that helps, if one is not there.
    """
    found = {}
    for key, entry in recorded.items():
        path = str(entry["path"])
        if path.startswith(PACKAGE):
            found[key] = storage.join(_package(), path.removeprefix(PACKAGE))
            continue
        given: Any = config
        for word in key.split("."):
            given = given.get(word) if isinstance(given, Mapping) else None
        check_present({key: str(given or "")})
        found[key] = place_of(str(given))
    return found


def check_present(parts: Mapping[str, str]) -> None:
    """Raise InputError, with the assignment that helps, if a frozen part, {configuration key: path}, is not there."""
    for key, path in parts.items():
        if not path or not storage.exists(path):
            raise InputError(f"the frozen part {key} is not there", where=path, remedy=_assignment(key))


def check_unchanged(recorded: Mapping[str, Any], parts: Mapping[str, str]) -> None:
    """Raise DamageError if frozen parts, {configuration key: path}, are not those that a checkpoint names."""
    for key, entry in recorded.items():
        if key not in parts:
            raise InputError(
                f"the checkpoint was trained on a frozen part, and the configuration names none at {key}",
                where=str(entry["path"]),
                remedy=_assignment(key, str(entry["path"])),
            )
        if weights_digest(parts[key]) != entry["sha256"]:
            raise DamageError(
                f"the frozen part {key} differs from the one that the checkpoint was trained on (sha256)",
                where=parts[key],
                remedy=_assignment(key, str(entry["path"])),
            )


def _assignment(key: str, former: str = "") -> str:
    """Return what to assign: the path that a checkpoint names, if something is still there."""
    if former and not former.startswith(PACKAGE) and storage.exists(former):
        return f"--set \"{key}='{former}'\" is what it was trained on"
    return f"--set \"{key}='PATH'\", where PATH has the weights of this part"
