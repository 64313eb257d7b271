"""A dataset's folder around its shards: the claim of one build, the tables, sizes.json, the manifest, run.json."""

import hashlib
import json
import os
import socket
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from pipelines.store.ledger import LEDGER_ORDER, PROVENANCE_ORDER, SCORE_ORDER
from schemas import arrow, layout, storage, tables
from schemas.errors import LoomError
from schemas.records import FileEntry, LedgerRow, ProvenanceRow, ScoreRow, ShardEntry

CLAIM = ".building.json"

TABLES: dict[str, tuple[type, tuple[str, ...]]] = {
    "ledger": (LedgerRow, LEDGER_ORDER),
    "scores": (ScoreRow, SCORE_ORDER),
    "provenance": (ProvenanceRow, PROVENANCE_ORDER),
}


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


def merge_fragments(kind: str, fragments: Iterable[str]) -> pa.Table:
    """Return the rows of a stage's ledger, scores or provenance fragments as one sorted table."""
    cls, order = TABLES[kind]
    parts = [arrow.upgrade(cls, tables.read_table(path), path) for path in fragments]
    table = pa.concat_tables(parts) if parts else arrow.schema(cls).empty_table()
    return tables.sort_rows(table, order)


def write_table(dataset: str, kind: str, stage: str, table: pa.Table) -> FileEntry:
    """Write `KIND/STAGE.parquet` of a dataset; return its entry with the hash of its rows."""
    _, order = TABLES[kind]
    name = f"{kind}/{stage}.parquet"
    data = tables.write_table(storage.join(dataset, name), table, sort_by=order)
    return FileEntry(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        rows=table.num_rows,
        rows_digest=tables.rows_digest(table, sort_by=order),
    )


def write_sizes(dataset: str, shards: Iterable[ShardEntry]) -> None:
    """Write sizes.json: open_clip and open_flamingo ask for it."""
    sizes = {shard.tar.name: shard.samples for shard in shards}
    storage.write_bytes(storage.join(dataset, layout.SIZES), (json.dumps(sizes, indent=1) + "\n").encode())


def write_run(dataset: str, values: dict[str, Any]) -> None:
    """Write run.json: times and versions, which belong to a run and not to the dataset."""
    storage.write_bytes(
        storage.join(dataset, "run.json"), (json.dumps(values, indent=1, sort_keys=True) + "\n").encode()
    )
