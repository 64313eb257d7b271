"""derived.json: lists the datasets and reports derived from a dataset, so that a take-down applies to them too."""

import contextlib
import os
from dataclasses import asdict, dataclass
from typing import Literal

from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError, LoomError
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.layout import MANIFEST

FILE = "derived.json"
_REMEDY = "restore it from a copy; or delete it, and forget in derived datasets and reports by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A dataset of regions, a report, or embeddings, derived from a dataset."""

    kind: Literal["regions", "report", "embeddings"]
    path: str
    """Path of what was derived, absolute if it is local."""
    work: str = ""
    """Work folder in which the regions were made."""
    store: str = ""
    """Image store that keeps the detector's outputs."""
    limit: int | None = None
    """Maximum number of samples of the regions; None for all."""
    finder: str = ""
    """What finds the regions, as JSON: settings, label and files. Empty in entries of earlier versions: the default."""


def absolute(path: str) -> str:
    """Return a path that does not depend on the current folder."""
    return os.path.abspath(path) if storage.is_local(path) else path


def read(dataset: str) -> list[Derived]:
    """Return the entries of a dataset's derived.json; DamageError if it is damaged."""
    path = storage.join(dataset, FILE)
    if not storage.exists(path):
        return []
    value = json_files.read(path, _REMEDY)
    rows = value.get("derived") if isinstance(value, dict) else value  # earlier versions wrote a list
    if not isinstance(rows, list):
        raise DamageError("holds no list", where=path, remedy=_REMEDY)
    return [json_files.as_record(row, Derived, path, _REMEDY) for row in rows]


def record_made(dataset: str, kind: Literal["report", "embeddings"], path: str) -> None:
    """Add a report or embeddings to derived.json; do nothing for a folder that holds no dataset."""
    if storage.exists(storage.join(dataset, MANIFEST)):
        record(dataset, Derived(kind=kind, path=absolute(path)))


def record(dataset: str, made: Derived) -> None:
    """Add an entry to a dataset's derived.json; do nothing if its folder is not writable."""
    known = read(dataset)
    if made not in known:
        with contextlib.suppress(LoomError):
            data = json_files.seal({"derived": [asdict(row) for row in (*known, made)]})
            storage.write_bytes(storage.join(dataset, FILE), data)
