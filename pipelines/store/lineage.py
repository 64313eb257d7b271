"""What was made from a dataset and lies elsewhere, on record beside it: so that a take-down reaches it as well."""

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
    """A dataset of regions, or a report, made from a dataset."""

    kind: Literal["regions", "report"]
    path: str
    work: str = ""
    limit: int | None = None


def absolute(path: str) -> str:
    """Return a path as it is found from anywhere."""
    return os.path.abspath(path) if storage.is_local(path) else path


def read(dataset: str) -> list[Derived]:
    """Return what is on record beside a dataset."""
    path = storage.join(dataset, FILE)
    return [Derived(**row) for row in json.loads(storage.read_bytes(path))] if storage.exists(path) else []


def record(dataset: str, made: Derived) -> None:
    """Enter what was made; beside a dataset that cannot be written to nothing is on record."""
    known = read(dataset)
    if made not in known:
        text = json.dumps([asdict(row) for row in (*known, made)], indent=1, sort_keys=True) + "\n"
        with contextlib.suppress(LoomError):
            storage.write_bytes(storage.join(dataset, FILE), text.encode())
