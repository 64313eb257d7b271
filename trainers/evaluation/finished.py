"""The finished batches of an evaluation, one safetensors file each, and the name of an evaluation by its inputs."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from corpusloom.schemas import storage
from corpusloom.trainers.evaluation.folder_files import files_below

SKIPPED = "skipped"
RECORDS = (".json", ".jsonl", ".csv", ".txt")
"""Ends of the names of files of records."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of items, on the CPU."""

    tensors: Mapping[str, Tensor]
    """Name -> values, one row per item in the order of the items."""
    skipped: tuple[str, ...] = ()
    """A line per item that could not be read: its name and the reason."""
    reused: int = 0
    """Number of batches that a killed evaluation had finished."""


class FinishedBatches:
    """The finished batches in a folder."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder

    def _path(self, number: int) -> str:
        return storage.join(self._folder or "", f"{number:07d}.safetensors")

    def read(self, number: int) -> Measured | None:
        """Return a finished batch; None if it is not finished, or its file is damaged."""
        if self._folder is None or not storage.exists(self._path(number)):
            return None
        try:
            with safe_open(self._path(number), "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return Measured(tensors, tuple(json.loads((file.metadata() or {})[SKIPPED])), 1)
        except (SafetensorError, OSError, ValueError, KeyError):
            return None

    def write(self, number: int, found: Measured) -> None:
        """Keep a batch."""
        if self._folder is not None:
            data = save(dict(found.tensors), {SKIPPED: json.dumps(found.skipped)})
            storage.write_bytes(self._path(number), data)


def identity(*parts: Any) -> str:
    """Return a short name of an evaluation by all that its batches depend on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def content_digest(path: str) -> str:
    """Return the sha256 of a file, or over the names and contents of a folder's files.

    A manifest or commit stands for the files that it lists.
    """
    if not storage.is_folder(path):
        return storage.hash_file(path)[0]
    for name in ("manifest.json", "checkpoint.json"):
        if storage.exists(storage.join(path, name)):
            return storage.hash_file(storage.join(path, name))[0]
    names = [name for name in sorted(files_below(path)) if storage.exists(storage.join(path, name))]
    return identity([(name, *storage.hash_file(storage.join(path, name))) for name in names])


def records_digest(folder: str) -> str:
    """Return the sha256 over the files of records directly in a folder, without the images and videos below it."""
    names = [name for name in storage.listing(folder) if name.endswith(RECORDS)]
    return identity([(name, *storage.hash_file(storage.join(folder, name))) for name in names])
