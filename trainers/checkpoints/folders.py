"""Folders of checkpoints: complete ones, the newest, the best by a metric, and the files of one.

CHECKPOINTS/step-00000100/  shard-00000.safetensors ...  config.json  stream.json  checkpoint.json
CHECKPOINTS/best.json       the step of the best checkpoint by a metric, if one is kept (see best.py)

A checkpoint is complete once its checkpoint.json is written; that file has the sha256 of all others.
"""

import contextlib
import hashlib
import posixpath
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError, InputError, LoomError, VersionError, raise_shortage
from corpusloom.schemas.guards import json_files

T = TypeVar("T")
FORMAT_VERSION = 2
CONFIG, STREAM, COMMIT = "config.json", "stream.json", "checkpoint.json"
RUN_FOLDER = "checkpoints"
"""Folder of the checkpoints in a run's folder."""
SHARD_SUFFIX = ".safetensors"
REMEDY = "delete the checkpoint's folder: the run then resumes from the one before"
_STEP = re.compile(r"^step-(\d{8,})$")


def step_folder(folder: str, step: int) -> str:
    """Return the folder of the checkpoint after `step` updates."""
    return storage.join(folder, f"step-{step:08d}")


def steps_in(folder: str) -> list[int]:
    """Return the steps of all checkpoints in a folder, unfinished ones included, ascending."""
    return sorted(int(match[1]) for match in map(_STEP.match, storage.folders(folder)) if match)


def is_complete(path: str) -> bool:
    """Return whether a folder is a complete checkpoint."""
    return storage.exists(storage.join(path, COMMIT))


def complete_steps(folder: str) -> list[int]:
    """Return the steps of the complete checkpoints in a folder, ascending."""
    return [step for step in steps_in(folder) if is_complete(step_folder(folder, step))]


def latest(folder: str) -> str | None:
    """Return the newest complete checkpoint of a folder, or None; unfinished ones do not count."""
    steps = complete_steps(folder)
    return step_folder(folder, steps[-1]) if steps else None


def has_checkpoints(path: str) -> bool:
    """Return whether a path is a checkpoint, a run, or its folder of checkpoints, complete or not."""
    return is_complete(path) or RUN_FOLDER in storage.folders(path) or bool(steps_in(path))


def find(path: str) -> str:
    """Return a checkpoint's folder: the path itself, or the newest one inside it or its `checkpoints` folder."""
    if is_complete(path):
        return path
    inner = storage.join(path, RUN_FOLDER)
    found = latest(path) or latest(inner)
    if found is None:
        unfinished = [f"step-{step:08d}" for step in (*steps_in(path), *steps_in(inner))]
        what = f" ({unfinished[-1]} is unfinished)" if unfinished else ""
        raise InputError(f"no complete checkpoint{what}", where=path, remedy="give the --out of a training run")
    return found


def delete(path: str) -> None:
    """Delete a checkpoint: checkpoint.json first, so that a partly deleted one never counts as complete."""
    storage.remove(storage.join(path, COMMIT))
    storage.remove(path, recursive=True)


def delete_older(folder: str, keep: int, best: int | None) -> None:
    """Delete all complete checkpoints but the newest `keep` and that of the step `best`."""
    for step in complete_steps(folder)[:-keep]:
        if step != best:
            delete(step_folder(folder, step))


def read_commit(path: str) -> dict[str, Any]:
    """Read a checkpoint's checkpoint.json: format_version, step, files with sha256, aliases, frozen parts and more.

    Raises InputError for a folder without one or of format 1, VersionError for a newer format.
    """
    if not is_complete(path):
        raise InputError("no checkpoint.json: this is no checkpoint, or an unfinished one", where=path)
    commit = json_files.read_object(storage.join(path, COMMIT), REMEDY, {"format_version": int})
    version = commit["format_version"]
    if version > FORMAT_VERSION:
        raise VersionError(f"checkpoint of format {version}", where=path, remedy="upgrade corpusloom")
    if version < FORMAT_VERSION:
        remedy = "train into another folder, or read it with the version of corpusloom that wrote it"
        raise InputError(f"checkpoint of format {version}, which is no longer read", where=path, remedy=remedy)
    keys = {"step": int, "files": dict, "aliases": dict, "frozen": dict}
    commit = json_files.read_object(storage.join(path, COMMIT), REMEDY, keys)
    for name in commit["files"]:
        if name != posixpath.basename(name) or name in ("", ".", ".."):
            raise DamageError(f"names {name!r}, which is no file of its folder", where=storage.join(path, COMMIT))
    return commit


def read_file(path: str, name: str, commit: dict[str, Any]) -> bytes:
    """Return a small file of a checkpoint; DamageError if it is not the one that was written."""
    if name not in commit["files"]:
        raise InputError(f"no {name} in the checkpoint", where=path)
    data = storage.read_bytes(storage.join(path, name))
    _check_digest(path, name, hashlib.sha256(data).hexdigest(), commit)
    return data


def read_json(path: str, name: str, commit: dict[str, Any]) -> Any:
    """Return the value of a checkpoint's JSON file."""
    return json_files.loads(read_file(path, name, commit), storage.join(path, name), REMEDY)


def read_attachment(path: str, name: str) -> bytes:
    """Return a small file that was saved with a checkpoint."""
    return read_file(path, name, read_commit(path))


def shards_of(commit: dict[str, Any]) -> list[str]:
    """Return the names of a checkpoint's files of tensors, sorted."""
    return sorted(name for name in commit["files"] if name.endswith(SHARD_SUFFIX))


def check_shards(path: str, commit: dict[str, Any], names: list[str], local: str) -> None:
    """Raise DamageError unless these files in the folder `local` are those that were written to the checkpoint."""
    for name in names:
        if not storage.exists(storage.join(local, name)):
            raise DamageError("is missing", where=storage.join(path, name), remedy=REMEDY)
        _check_digest(path, name, storage.hash_file(storage.join(local, name))[0], commit)
    strange = set(storage.listing(local, SHARD_SUFFIX)) - set(shards_of(commit))
    if strange:
        where = storage.join(path, min(strange))
        raise DamageError("is no file of this checkpoint", where=where, remedy="move it to another folder")


def _check_digest(path: str, name: str, sha256: str, commit: dict[str, Any]) -> None:
    if sha256 != commit["files"].get(name):
        raise DamageError("has changed since it was written", where=storage.join(path, name), remedy=REMEDY)


@contextlib.contextmanager
def local_shards(path: str, commit: dict[str, Any]) -> Iterator[str]:
    """Yield a local folder with a checkpoint's files of tensors: its own, or a temporary one for a URL."""
    if storage.is_local(path):
        yield storage.filesystem(path)[1]
        return
    with tempfile.TemporaryDirectory(prefix="checkpoint-") as folder:
        for name in shards_of(commit):
            fs, inner = storage.filesystem(storage.join(path, name))
            with contextlib.suppress(FileNotFoundError):
                fs.get_file(inner, str(Path(folder) / name))
        yield folder


def storing(path: str, work: Callable[[], T]) -> Callable[[], T]:
    """Return `work` with the errors of the storage at `path` as LoomErrors; clients of object stores raise any type."""

    def run() -> T:
        try:
            return work()
        except LoomError:
            raise
        except Exception as error:
            raise_shortage(error, path)
            if isinstance(error, OSError) or not storage.is_local(path):
                what = f"{type(error).__name__}: {error}"
                raise InputError(what, where=path, remedy="check free space, permissions and the network") from error
            raise

    return run


def write_texts(path: str, texts: dict[str, bytes]) -> dict[str, str]:
    """Write a checkpoint's small files; return their sha256 by name."""
    for name, data in texts.items():
        storage.write_bytes(storage.join(path, name), data)
    return {name: hashlib.sha256(data).hexdigest() for name, data in texts.items()}
