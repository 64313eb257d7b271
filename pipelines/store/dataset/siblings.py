"""The datasets that share an image store: each build leaves its path there, so that a take-down can name them all."""

import contextlib
import json
from typing import Any

from corpusloom.pipelines.store.lineage import absolute
from corpusloom.schemas import identity, layout, storage
from corpusloom.schemas.errors import LoomError

FOLDER = "datasets"
RUN = "run.json"


def register(store: str, dataset: str) -> None:
    """Leave the path of a finished dataset in its image store; do nothing if the store is not writable."""
    path = absolute(dataset)
    text = json.dumps({"path": path}) + "\n"
    with contextlib.suppress(LoomError):
        storage.write_bytes(storage.join(store, FOLDER, f"{identity.make_key('dataset', path)}.json"), text.encode())


def datasets_on(store: str, *, beside: str) -> list[str]:
    """Return the finished datasets on an image store other than `beside`, sorted by path.

    Those in the same folder as `beside` are found without an entry in the store, too.
    """
    own, folder = absolute(beside).rstrip("/"), storage.join(store, FOLDER)
    parent = own.rpartition("/")[0]
    paths = {str(_read(storage.join(folder, name)).get("path", "")) for name in storage.listing(folder, ".json")}
    paths |= {storage.join(parent, name) for name in storage.folders(parent)}
    return sorted(path for path in paths - {"", own} if _is_on(path, absolute(store)))


def _is_on(dataset: str, store: str) -> bool:
    if not storage.exists(storage.join(dataset, layout.MANIFEST)):
        return False
    build = _read(storage.join(dataset, RUN)).get("build") or {}
    return absolute(str(build.get("store", ""))) == store


def _read(path: str) -> dict[str, Any]:
    try:
        values = json.loads(storage.read_bytes(path)) if storage.exists(path) else {}
    except (ValueError, LoomError):
        return {}
    return values if isinstance(values, dict) else {}
