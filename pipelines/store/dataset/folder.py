"""Files of a dataset's folder other than its shards: the claim of a build, the tables, sizes.json and run.json."""

import contextlib
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.pipelines.store.external_sort import sorted_parts
from corpusloom.pipelines.store.ledger import LEDGER_ORDER, PROVENANCE_ORDER, SCORE_ORDER
from corpusloom.schemas import arrow, layout, storage, tables
from corpusloom.schemas.errors import DamageError, LoomError
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.layout import CLAIM
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import FileEntry, LedgerRow, ProvenanceRow, ScoreRow, ShardEntry
from corpusloom.schemas.urls.redaction import MAY_HOLD_SECRETS, redacted

RUN = "run.json"
NOBODY = 0
"""pid of a claim whose build failed: it no longer runs, but its partial shards are still in the folder."""
UNKNOWN = "unknown"
"""Fingerprint of a claim file that is incomplete, because its writer was killed."""

TABLES: dict[str, tuple[type, tuple[str, ...]]] = {
    "ledger": (LedgerRow, LEDGER_ORDER),
    "scores": (ScoreRow, SCORE_ORDER),
    "provenance": (ProvenanceRow, PROVENANCE_ORDER),
}

PUBLISHED_TEXTS = frozenset(("url", "warc", "message", "traceback"))
"""Columns of these tables that may hold URLs."""


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows to write into a table."""

    count: int
    """Approximate number of rows."""
    parts: Iterable[pa.Table]


class BusyError(LoomError):
    """Another build writes into the same folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The process that builds into a folder."""

    fingerprint: str
    """Fingerprint of the stage whose shards are written; empty before the first one."""
    host: str
    pid: int
    born: str = ""
    """Start of the process in clock ticks since the machine booted; it differs if another process has the same pid."""
    since: str = ""
    """Time of the claim, RFC 3339 in UTC, for messages only."""

    @classmethod
    def mine(cls, fingerprint: str) -> "Claim":
        """Return the claim of this process."""
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        pid = os.getpid()
        return cls(fingerprint=fingerprint, host=socket.gethostname(), pid=pid, born=_born(pid), since=since)

    @property
    def who(self) -> str:
        """Return the text that names the builder in messages."""
        return f"process {self.pid} on {self.host}" + (f" since {self.since}" if self.since else "")

    def to_json(self) -> bytes:
        """Return the contents of the claim file."""
        return json.dumps(asdict(self)).encode()

    @property
    def alive(self) -> bool:
        """Return whether the process still runs; only for a claim of this host."""
        if self.pid == NOBODY:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return not self.born or _born(self.pid) == self.born


@contextlib.contextmanager
def building(dataset: str) -> Iterator[None]:
    """Claim a folder for this process while the block runs; raise BusyError if another process builds there.

    Partial shards of a killed or failed build stay, and the claim file keeps the fingerprint of their configuration.
    """
    _take(dataset, None)
    try:
        yield
    except BaseException:
        with contextlib.suppress(LoomError):  # e.g. a full disk; then the claim of an ended process stays
            _give_up(dataset)
        raise
    storage.remove(storage.join(dataset, CLAIM))


def claim(dataset: str, fingerprint: str) -> None:
    """Record the fingerprint of the stage whose shards are written; remove partial shards of another fingerprint."""
    _take(dataset, fingerprint)


def _take(dataset: str, fingerprint: str | None) -> None:
    path = storage.join(dataset, CLAIM)
    with _one_at_a_time(dataset):
        if storage.create(path, Claim.mine(fingerprint or "").to_json()):
            return
        other = _read_claim(path)
        if other is not None:
            _refuse_rival(other, dataset, path)
        held = other.fingerprint if other is not None else UNKNOWN
        if held and fingerprint not in (None, held):
            clear(dataset)
        storage.write_bytes(path, Claim.mine(held if fingerprint is None else fingerprint).to_json())


def _give_up(dataset: str) -> None:
    path = storage.join(dataset, CLAIM)
    mine = _read_claim(path)
    if mine is not None and not mine.fingerprint:  # no shard was written yet
        storage.remove(path)
    elif mine is not None:
        storage.write_bytes(path, replace(mine, host="", pid=NOBODY, born="", since="").to_json())


def _read_claim(path: str) -> Claim | None:
    """Return the claim in a file; None if the file is incomplete."""
    try:
        return Claim(**json.loads(storage.read_bytes(path)))
    except (ValueError, TypeError):
        return None


def _refuse_rival(other: Claim, dataset: str, path: str) -> None:
    here = other.host == socket.gethostname()
    if other.pid == NOBODY or (here and (other.pid == os.getpid() or not other.alive)):
        return
    remedy = "wait for it, or name another --out" if here else f"if it no longer runs, delete {path}"
    raise BusyError(f"{other.who} is building into this folder", where=dataset, remedy=remedy)


@contextlib.contextmanager
def _one_at_a_time(dataset: str) -> Iterator[None]:
    """Lock a folder against other processes of this machine, so that two of them cannot take over the same claim."""
    if not storage.is_local(dataset):
        yield
        return
    storage.check_writable(dataset)
    descriptor = os.open(storage.filesystem(dataset)[1], os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _born(pid: int) -> str:
    """Return the start of a process in clock ticks since the machine booted; "" if it is unknown."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as handle:
            return handle.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def remove_shard(dataset: str, index: int) -> None:
    """Delete the files of one shard."""
    for name in layout.shard_files(index):
        storage.remove(storage.join(dataset, name))


def clear(dataset: str) -> None:
    """Delete the shards of an unfinished build; other files of the folder are kept."""
    for name in storage.listing(dataset):
        if layout.is_shard_file(name):
            storage.remove(storage.join(dataset, name))


def read_fragments(kind: str, fragments: Sequence[str]) -> TableRows:
    """Return the rows of a stage's ledger, scores or provenance fragments, which are read lazily."""
    cls, _ = TABLES[kind]
    return TableRows(
        sum(map(tables.count_rows, fragments)),
        (arrow.upgrade(cls, tables.read_table(path), path) for path in fragments),
    )


def write_rows(dataset: str, kind: str, stage: str, rows: TableRows, scratch: str) -> FileEntry:
    """Write `KIND/STAGE.parquet` of a dataset, sorted in bounded memory; return its entry for the manifest."""
    cls, order = TABLES[kind]
    shown = map(_redacted, rows.parts)
    name, schema = f"{kind}/{stage}.parquet", arrow.schema(cls)
    path = storage.join(dataset, name)
    with contextlib.closing(sorted_parts(shown, schema, order, rows=rows.count, scratch=scratch)) as parts:
        count = tables.write_stream(path, schema, parts)
    sha256, size = storage.hash_file(path)
    return FileEntry(name=name, sha256=sha256, bytes=size, rows=count, rows_digest=tables.file_digest(path))


def _redacted(part: pa.Table) -> pa.Table:
    """Return rows without the secrets of URLs."""
    for place, name in enumerate(part.column_names):
        if name in PUBLISHED_TEXTS:
            column = part.column(place).combine_chunks()
            mask = pc.fill_null(pc.match_substring_regex(column, MAY_HOLD_SECRETS), False)
            values = pa.array(map(redacted, column.filter(mask).to_pylist()), column.type)
            part = part.set_column(place, part.field(place), pc.replace_with_mask(column, mask, values))
    return part


def write_sizes(dataset: str, shards: Iterable[ShardEntry]) -> None:
    """Write sizes.json, which open_clip and open_flamingo read."""
    sizes = {shard.tar.name: shard.samples for shard in shards}
    storage.write_bytes(storage.join(dataset, layout.SIZES), (json.dumps(sizes, indent=1) + "\n").encode())


def write_run(dataset: str, values: dict[str, Any], manifest: Manifest) -> None:
    """Write run.json: times, versions and inputs of the run, and the sha256 of the manifest that is written next."""
    sha256 = hashlib.sha256(manifest.to_json().encode()).hexdigest()
    plain = json.loads(redacted(json.dumps(values)))
    storage.write_bytes(storage.join(dataset, RUN), json_files.seal({**plain, "manifest": sha256}))


def read_run(dataset: str) -> dict[str, Any]:
    """Read run.json; DamageError if it is damaged or belongs to another manifest than the folder's."""
    path, remedy = storage.join(dataset, RUN), "restore it from a copy, or build the dataset again into another folder"
    run = json_files.read_object(path, remedy)
    manifest = storage.join(dataset, layout.MANIFEST)
    if "manifest" in run and storage.exists(manifest) and storage.hash_file(manifest)[0] != run["manifest"]:
        raise DamageError("belongs to another manifest.json than the folder's", where=path, remedy=remedy)
    return run
