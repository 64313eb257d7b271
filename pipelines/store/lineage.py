"""derived.json: lists the datasets and reports derived from a dataset, so that a take-down applies to them too."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from typing import Literal

from corpusloom.schemas import storage
from corpusloom.schemas.errors import LoomError

FILE = "derived.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A dataset of regions, or a report, derived from a dataset."""

    kind: Literal["regions", "report"]
    path: str
    """Path of the derived dataset or report, absolute if it is local."""
    work: str = ""
    """Work folder in which the regions were made."""
    store: str = ""
    """Image store that keeps the detector's outputs."""
    limit: int | None = None
    """Maximum number of samples of the regions; None for all."""


def absolute(path: str) -> str:
    """Return a path that does not depend on the current folder."""
    return os.path.abspath(path) if storage.is_local(path) else path


def read(dataset: str) -> list[Derived]:
    """Return the entries of a dataset's derived.json."""
    path = storage.join(dataset, FILE)
    return [Derived(**row) for row in json.loads(storage.read_bytes(path))] if storage.exists(path) else []


def record(dataset: str, made: Derived) -> None:
    """Add an entry to a dataset's derived.json; do nothing if its folder is not writable."""
    known = read(dataset)
    if made not in known:
        text = json.dumps([asdict(row) for row in (*known, made)], indent=1, sort_keys=True) + "\n"
        with contextlib.suppress(LoomError):
            storage.write_bytes(storage.join(dataset, FILE), text.encode())
