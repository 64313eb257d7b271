"""A dataset's folder around its shards: the claim of one build, the tables, sizes.json, the manifest, run.json."""

import contextlib
import json
import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipelines.store.ledger import LEDGER_ORDER, PROVENANCE_ORDER, SCORE_ORDER
from pipelines.store.sorting import sorted_parts
from schemas import arrow, layout, storage, tables
from schemas.errors import LoomError
from schemas.records import FileEntry, LedgerRow, ProvenanceRow, ScoreRow, ShardEntry

CLAIM = ".building.json"

TABLES: dict[str, tuple[type, tuple[str, ...]]] = {
    "ledger": (LedgerRow, LEDGER_ORDER),
    "scores": (ScoreRow, SCORE_ORDER),
    "provenance": (ProvenanceRow, PROVENANCE_ORDER),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one kind: how many, about, and tables that hold them."""

    count: int
    parts: Iterable[pa.Table]


class BusyError(LoomError):
    """Another build is writing into the same folder."""


def claim(dataset: str, fingerprint: str) -> None:
    """Make this process the only builder of a dataset's folder; take over from one that is dead.

    What another configuration left half-finished there is removed. A finished dataset of another configuration is
    an error: nothing whole is ever overwritten.
    """
    mine = {"fingerprint": fingerprint, "host": socket.gethostname(), "pid": os.getpid()}
    path = storage.join(dataset, CLAIM)
    if storage.create(path, json.dumps(mine).encode()):
        return
    other = json.loads(storage.read_bytes(path))
    if other["pid"] != mine["pid"] and other["host"] == mine["host"] and _alive(other["pid"]):
        raise BusyError(
            f"process {other['pid']} on {other['host']} is building into this folder",
            where=dataset,
            remedy="wait for it, or name another --out",
        )
    if other["host"] != mine["host"]:
        raise BusyError(
            f"a build on {other['host']} (process {other['pid']}) claims this folder",
            where=dataset,
            remedy=f"if it is dead, delete {path}",
        )
    if other["fingerprint"] != fingerprint:
        clear(dataset)
    storage.write_bytes(path, json.dumps(mine).encode())


def release(dataset: str) -> None:
    """Give the folder up."""
    storage.remove(storage.join(dataset, CLAIM))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def clear(dataset: str) -> None:
    """Remove what an unfinished build left: only files that a build writes."""
    for name in storage.listing(dataset):
        stem = name.split(".")[0].removesuffix("_stats")
        if stem.isdigit() and name.endswith((".tar", ".parquet", "_stats.json")):
            storage.remove(storage.join(dataset, name))


def read_fragments(kind: str, fragments: Sequence[str]) -> Rows:
    """Return the rows of a stage's ledger, scores or provenance fragments, to be read one at a time."""
    cls, _ = TABLES[kind]
    return Rows(
        sum(map(tables.count_rows, fragments)),
        (arrow.upgrade(cls, tables.read_table(path), path) for path in fragments),
    )


def write_rows(dataset: str, kind: str, stage: str, rows: Rows, scratch: str) -> FileEntry:
    """Write `KIND/STAGE.parquet` of a dataset, sorted in bounded memory; return its entry with the hash of its rows."""
    cls, order = TABLES[kind]
    name, schema = f"{kind}/{stage}.parquet", arrow.schema(cls)
    path = storage.join(dataset, name)
    with contextlib.closing(sorted_parts(rows.parts, schema, order, rows=rows.count, scratch=scratch)) as parts:
        count = tables.write_stream(path, schema, parts)
    sha256, size = storage.hash_file(path)
    return FileEntry(name=name, sha256=sha256, bytes=size, rows=count, rows_digest=tables.file_digest(path))


def write_sizes(dataset: str, shards: Iterable[ShardEntry]) -> None:
    """Write sizes.json: open_clip and open_flamingo ask for it."""
    sizes = {shard.tar.name: shard.samples for shard in shards}
    storage.write_bytes(storage.join(dataset, layout.SIZES), (json.dumps(sizes, indent=1) + "\n").encode())


def write_run(dataset: str, values: dict[str, Any]) -> None:
    """Write run.json: times and versions, which belong to a run and not to the dataset."""
    storage.write_bytes(
        storage.join(dataset, "run.json"), (json.dumps(values, indent=1, sort_keys=True) + "\n").encode()
    )
