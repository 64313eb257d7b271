"""Applies a take-down to data derived from a dataset: deletes its reports and embeddings, builds its regions again."""

import json

from corpusloom.pipelines.builds.derived import regions
from corpusloom.pipelines.store import lineage
from corpusloom.pipelines.store.lineage import Derived
from corpusloom.schemas import layout, storage
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.images.embeddings.parts import delete_embeddings
from corpusloom.schemas.manifest import Manifest, read_manifest

MARK = b"default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Text at the beginning of every report of `loom stats --html`."""


def delete_reports(dataset: str) -> list[str]:
    """Delete reports and embeddings made from a dataset, which describe its samples; return the paths that existed."""
    known = lineage.read(dataset)
    found = [made.path for made in known if made.kind == "report" and is_report(made.path)]
    for path in found:
        storage.remove(path)
    return found + [made.path for made in known if made.kind == "embeddings" and delete_embeddings(made.path)]


def is_report(path: str) -> bool:
    """Return whether a file exists and begins as our reports do: no other file that derived.json names is deleted."""
    return storage.exists(path) and MARK in storage.read_bytes(path, 0, 1024)


def purge(dataset: str, before: Manifest | None) -> tuple[list[str], list[str]]:
    """Build derived regions again; return the paths of those that were changed, and of those out of reach.

    Args:
      dataset: Folder of the dataset, after its take-down.
      before: Manifest before the take-down, to keep regions of unchanged shards; None to build all regions again.
    """
    purged, left = [], []
    for made in lineage.read(dataset):
        try:
            if made.kind == "regions" and _purge_one(dataset, made, before):
                purged.append(made.path)
        except (LoomError, OSError):
            left.append(made.path)
    return purged, left


def _purge_one(dataset: str, made: Derived, before: Manifest | None) -> bool:
    after = read_manifest(dataset)
    whole = storage.exists(storage.join(made.path, layout.MANIFEST))
    if whole and json.loads(read_manifest(made.path).config).get("source") == after.digest:
        return False
    regions.make_anew(dataset, made, before, after)
    delete_reports(made.path)
    return True
