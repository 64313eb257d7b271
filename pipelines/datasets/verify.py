"""Verifies a dataset against its manifest: files, hashes, offsets, counts, keys, and single members."""

import contextlib
import hashlib
import mmap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Literal, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.pipelines.datasets.damage import REINDEX, Damage, DamageKind
from corpusloom.pipelines.store import lineage
from corpusloom.pipelines.store.dataset.folder import RUN, TABLES, read_run
from corpusloom.pipelines.store.dataset.tars import header
from corpusloom.pipelines.store.stages import count_gaps
from corpusloom.schemas import arrow, layout, storage, tables
from corpusloom.schemas.addresses import AddressPolicy, RefusedError
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.manifest import Manifest, make_digest, read_manifest
from corpusloom.schemas.records import FileEntry, ShardEntry, SidecarRow, StageCounts
from corpusloom.schemas.urls.guarded_http import check_url

Depth = Literal["quick", "full", "deep"]
HEADER_BYTES = 512
_REBUILD = "rebuild the dataset"
UNREADABLE = frozenset(
    (DamageKind.MISSING_FILE, DamageKind.WRONG_SIZE, DamageKind.WRONG_HASH, DamageKind.UNREADABLE_FILE)
)
"""Damage after which the contents of a file are not checked."""
ALLOW = "if you trust it, --allow-addresses NET:PORT"


class CheckTar(Protocol):
    """Compares a tar with the rows of its sidecar."""

    def __call__(self, path: str, rows: Iterable[SidecarRow], hashes: bool, /) -> Iterator[str]:
        """Yield each difference in words; `hashes` is True to compare the members' hashes as well."""


def _ignore_tar(path: str, rows: Iterable[SidecarRow], hashes: bool, /) -> Iterator[str]:
    return iter(())


def verify(
    dataset: str,
    depth: Depth = "full",
    on_shard: Callable[[], None] = lambda: None,
    check_tar: CheckTar = _ignore_tar,
    policy: AddressPolicy | None = None,
) -> Iterator[Damage]:
    """Yield all damage of a dataset; nothing if it is whole.

    For an index of foreign tars, the tars' sizes are compared, their hashes if `loom index --hashes` recorded them,
    and their members by `check_tar`.

    Args:
      dataset: Folder of the dataset.
      depth: "quick" checks that files exist with their sizes, that tables open, counts and digest. "full" also checks
        the sha256 of each file, the hash of each table's rows, and the tar header before each member. "deep" also
        checks the sha256 of each member.
      on_shard: Called after each shard.
      check_tar: Compares an indexed tar with its sidecar.
      policy: Servers that an index may name; None: public addresses.
    """
    manifest = read_manifest(dataset)
    if manifest.recipe == layout.FOREIGN:
        yield from _index_damage(dataset, manifest, depth, on_shard, check_tar, policy or AddressPolicy())
    else:
        yield from _dataset_damage(dataset, manifest, depth, on_shard)


def _dataset_damage(dataset: str, manifest: Manifest, depth: Depth, on_shard: Callable[[], None]) -> Iterator[Damage]:
    damaged: set[str] = set()
    for damage in _file_damage(dataset, manifest, depth, on_shard):
        if damage.kind in UNREADABLE:
            damaged.add(damage.where)
        yield damage
    yield from check_digest(manifest, _REBUILD)
    yield from check_foreign_tars(dataset, manifest)
    if depth == "quick":
        return
    if not damaged & {entry.name for entry in manifest.tables_of("ledger")}:
        yield from _readable(check_ledger(dataset, manifest), "ledger")
    seen: set[str] = set()
    for shard in manifest.shards:
        if shard.sidecar.name not in damaged:
            yield from _readable(check_keys(dataset, manifest, shard, seen), shard.sidecar.name, shard.index)


def _file_damage(dataset: str, manifest: Manifest, depth: Depth, on_shard: Callable[[], None]) -> Iterator[Damage]:
    yield from check_counts(manifest)
    for shard in manifest.shards:
        yield from _readable(check_shard(dataset, shard, depth), shard.sidecar.name, shard.index)
        on_shard()
    for entry in manifest.tables:
        yield from check_table(dataset, entry, depth)
    for entry in manifest.documents:
        yield from check_file(dataset, entry, depth)
    yield from check_beside(dataset, manifest)


def check_beside(dataset: str, manifest: Manifest) -> Iterator[Damage]:
    """Check the files that the manifest does not list: sizes.json against its entries, run.json and derived.json."""
    sizes, run = (storage.join(dataset, name) for name in (layout.SIZES, RUN))
    if storage.exists(sizes):
        expected = {shard.tar.name: shard.samples for shard in manifest.shards}
        try:
            whole = json_files.read_object(sizes, "") == expected
        except LoomError:
            whole = False
        if not whole:
            yield Damage(kind=DamageKind.WRONG_HASH, where=layout.SIZES)
    if storage.exists(run):
        yield from _unless_read(read_run, dataset, RUN)
    yield from _unless_read(lineage.read, dataset, lineage.FILE)


def _unless_read(read: Callable[[str], object], dataset: str, name: str) -> Iterator[Damage]:
    """Yield the damage of a file that its reader refuses."""
    try:
        read(dataset)
    except LoomError as error:
        yield unreadable(error, name)


def _index_damage(
    dataset: str,
    manifest: Manifest,
    depth: Depth,
    on_shard: Callable[[], None],
    check_tar: CheckTar,
    policy: AddressPolicy,
) -> Iterator[Damage]:
    yield from check_counts(manifest)
    for shard in manifest.shards:
        try:
            check_url(policy, storage.resolve(dataset, shard.tar.name))
            with storage.guarded(policy):
                found = list(_readable(check_indexed(dataset, shard, depth, check_tar), shard.tar.name, shard.index))
        except RefusedError as error:
            refused = LoomError(f"its server is not asked: {error}", remedy=ALLOW)
            found = [unreadable(refused, shard.tar.name, shard.index)]
        for damage in found:
            yield replace(damage, remedy=damage.remedy or REINDEX)
        on_shard()
    yield from check_digest(manifest, REINDEX)


def check_indexed(dataset: str, shard: ShardEntry, depth: Depth, check_tar: CheckTar) -> Iterator[Damage]:
    """Check a foreign tar and its sidecar; unless quick, also the tar's members against the sidecar."""
    tar = storage.resolve(dataset, shard.tar.name)
    found = [
        damage for entry in (shard.sidecar, shard.stats) for damage in check_file(dataset, entry, depth, shard.index)
    ]
    found += check_file(dataset, shard.tar, depth if shard.tar.sha256 else "quick", shard.index, path=tar)
    yield from found
    if found or depth == "quick":
        return
    rows = list(tables.read_records(storage.join(dataset, shard.sidecar.name), SidecarRow))
    yield from _check_row_count(shard, len(rows))
    for text in check_tar(tar, rows, depth == "deep"):
        yield Damage(kind=DamageKind.TAR_DIFFERS, where=shard.tar.name, shard=shard.index, subject=text)


def unproved(manifest: Manifest, depth: Depth) -> str:
    """Return a text on what this depth cannot check in an index of foreign tars; "" for any other dataset."""
    if manifest.recipe != layout.FOREIGN:
        return ""
    if depth == "quick":
        return ", an index: sizes only"
    hashed = all(shard.tar.sha256 for shard in manifest.shards)
    return ", an index: hashes and offsets" if hashed else ", an index: sizes, offsets; index with --hashes for bytes"


def _readable(checks: Iterator[Damage], where: str, shard: int | None = None) -> Iterator[Damage]:
    """Yield the damages that `checks` finds; an unreadable file is another damage and does not end verification."""
    try:
        yield from checks
    except LoomError as error:
        yield unreadable(error, where, shard)


def unreadable(error: LoomError, where: str, shard: int | None = None) -> Damage:
    """Return an error of a reader as damage."""
    return Damage(kind=DamageKind.UNREADABLE_FILE, where=where, shard=shard, subject=error.what, remedy=error.remedy)


def check_digest(manifest: Manifest, remedy: str) -> Iterator[Damage]:
    """Check the manifest's digest against its own entries."""
    if make_digest(manifest.config, manifest.shards, manifest.tables) != manifest.digest:
        yield Damage(kind=DamageKind.WRONG_DIGEST, where=layout.MANIFEST, remedy=remedy)


def check_counts(manifest: Manifest) -> Iterator[Damage]:
    """Check the manifest's counts.

    For each stage and unit, records in = kept + rejected + dead; the next stage's records in = kept; and the shards'
    samples add up.
    """
    for row in manifest.counts:
        if row.unaccounted:
            yield Damage(
                kind=DamageKind.UNACCOUNTED,
                where=layout.MANIFEST,
                subject=f"stage {row.stage}, unit {row.unit}",
                found=row.unaccounted,
            )
    for gap in count_gaps(manifest.counts):
        yield Damage(kind=DamageKind.COUNT_GAP, where=layout.MANIFEST, subject=gap.describe())
    total = sum(shard.samples for shard in manifest.shards)
    if total != manifest.samples:
        yield Damage(kind=DamageKind.WRONG_SAMPLE_COUNT, where=layout.MANIFEST, found=total, expected=manifest.samples)


def check_file(
    dataset: str, entry: FileEntry, depth: Depth, shard: int | None = None, path: str = ""
) -> Iterator[Damage]:
    """Check that a file exists, its size and, unless quick, its hash."""
    path = path or storage.join(dataset, entry.name)
    if not storage.exists(path):
        yield Damage(kind=DamageKind.MISSING_FILE, where=entry.name, shard=shard)
        return
    size = storage.size(path)
    if size != entry.bytes:
        yield Damage(kind=DamageKind.WRONG_SIZE, where=entry.name, shard=shard, found=size, expected=entry.bytes)
    elif depth != "quick" and storage.hash_file(path)[0] != entry.sha256:
        yield Damage(kind=DamageKind.WRONG_HASH, where=entry.name, shard=shard)


def check_shard(dataset: str, shard: ShardEntry, depth: Depth) -> Iterator[Damage]:
    """Check the three files of a shard, then each sidecar row against the tar."""
    files = (shard.tar, shard.sidecar, shard.stats)
    found = [damage for entry in files for damage in check_file(dataset, entry, depth, shard.index)]
    yield from found
    if found or depth == "quick":
        return
    path = storage.join(dataset, shard.sidecar.name)
    table = arrow.upgrade(SidecarRow, tables.read_table(path), path).select(["key", "members"])
    yield from _check_row_count(shard, table.num_rows)
    with _reading(storage.join(dataset, shard.tar.name)) as read:
        yield from _check_members(read, shard, members_of(table), deep=depth == "deep")


def _check_row_count(shard: ShardEntry, rows: int) -> Iterator[Damage]:
    if rows != shard.samples:
        yield Damage(
            kind=DamageKind.WRONG_ROW_COUNT,
            where=shard.sidecar.name,
            shard=shard.index,
            found=rows,
            expected=shard.samples,
        )


MemberRow = tuple[str, int, int, str]
"""A member's name in the tar, its offset and size in bytes, and its sha256."""


def members_of(table: pa.Table) -> Iterator[MemberRow]:
    """Yield the members of a sidecar's rows, from its columns: building records would take longer than hashing."""
    table = table.combine_chunks()
    for batch in table.to_batches():
        lists = batch.column("members")
        keys = batch.column("key").take(pc.list_parent_indices(lists)).to_pylist()
        members = lists.flatten()
        columns = (members.field(name).to_pylist() for name in ("field", "offset", "size", "stored_sha256"))
        for key, field, offset, size, sha256 in zip(keys, *columns, strict=True):
            yield layout.member_name(key, field), offset, size, sha256


ReadRange = Callable[[int, int], bytes]
"""Function (offset, size in bytes) -> the bytes of a file at that offset."""


@contextlib.contextmanager
def _reading(path: str) -> Iterator[ReadRange]:
    """Open a file for reads at any offset; a local file is mapped into memory."""
    with storage.open_input(path) as handle:
        if storage.is_local(path):
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                yield lambda offset, size: mapped[max(0, offset) : max(0, offset + size)]
            return

        def read(offset: int, size: int) -> bytes:
            handle.seek(offset)
            return handle.read(size)

        yield read


def _check_members(read: ReadRange, shard: ShardEntry, members: Iterable[MemberRow], *, deep: bool) -> Iterator[Damage]:
    for name, offset, size, sha256 in members:
        found = read(offset - HEADER_BYTES, HEADER_BYTES)
        if found != header(name, size) and not _is_header_of(found, name, size):
            yield Damage(
                kind=DamageKind.WRONG_HEADER, where=shard.tar.name, shard=shard.index, subject=name, expected=offset
            )
        elif deep and hashlib.sha256(read(offset, size)).hexdigest() != sha256:
            yield Damage(kind=DamageKind.WRONG_MEMBER, where=shard.tar.name, shard=shard.index, subject=name)


def _is_header_of(header: bytes, name: str, size: int) -> bool:
    """Return whether a ustar header is that of a member of this name and size."""
    if len(header) != HEADER_BYTES or header[257:262] != b"ustar":
        return False
    found = header[:100].rstrip(b"\0").decode("utf-8", "replace")
    try:
        return found == name and int(header[124:136].rstrip(b"\0 ") or b"0", 8) == size
    except ValueError:
        return False


def check_table(dataset: str, entry: FileEntry, depth: Depth) -> Iterator[Damage]:
    """Check a table's file, its number of rows and, unless quick, the hash of its rows."""
    found = list(check_file(dataset, entry, depth))
    yield from found
    if found:
        return
    path = storage.join(dataset, entry.name)
    try:
        with tables.open_parquet(path) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
        if rows != entry.rows:
            yield Damage(kind=DamageKind.WRONG_ROW_COUNT, where=entry.name, found=rows, expected=entry.rows)
        if depth != "quick" and _table_digest(path, entry, schema) != entry.rows_digest:
            yield Damage(kind=DamageKind.WRONG_ROWS, where=entry.name)
    except LoomError as error:
        yield unreadable(error, entry.name)


def _table_digest(path: str, entry: FileEntry, schema: pa.Schema) -> str:
    """Return the hash of a table's rows; rows of an older version are upgraded and sorted in memory first."""
    cls, order = TABLES[layout.table_kind(entry.name)]
    if arrow.upgrade(cls, schema.empty_table(), path).schema == schema:
        return tables.file_digest(path)
    return tables.rows_digest(arrow.upgrade(cls, tables.read_table(path), path), sort_by=order)


def check_foreign_tars(dataset: str, manifest: Manifest) -> Iterator[Damage]:
    """Find tars that the manifest does not list: a reader that lists the folder would train on them."""
    known = {shard.tar.name for shard in manifest.shards}
    for name in storage.listing(dataset, ".tar"):
        if name not in known:
            yield Damage(kind=DamageKind.FOREIGN_FILE, where=name, remedy="move the foreign file out of the folder")


LedgerCounts = Counter[tuple[str, str, str, str]]
"""(stage, unit, outcome, reason) -> number of records."""


def check_ledger(dataset: str, manifest: Manifest) -> Iterator[Damage]:
    """Check that the ledger has as many rows per stage, unit, outcome and reason as the manifest counts."""
    counted: LedgerCounts = Counter()
    for entry in manifest.tables_of("ledger"):
        columns = ["stage", "unit", "outcome", "reason"]
        table = tables.read_table(storage.join(dataset, entry.name), columns)
        for row in pa.TableGroupBy(table, columns).aggregate([([], "count_all")]).to_pylist():
            counted[row["stage"], row["unit"], row["outcome"], row["reason"]] += row["count_all"]
    expected = _expected(manifest.counts)
    for name in sorted({*counted, *expected}):
        if counted[name] != expected[name]:
            yield Damage(
                kind=DamageKind.WRONG_LEDGER_COUNT,
                where="ledger",
                subject=" / ".join(name),
                found=counted[name],
                expected=expected[name],
            )


def _expected(counts: tuple[StageCounts, ...]) -> LedgerCounts:
    expected: LedgerCounts = Counter()
    for row in counts:
        for outcome, reasons in (("rejected", row.rejected), ("dead", row.dead)):
            for reason, number in reasons.items():
                expected[row.stage, row.unit, outcome, reason] += number
    return expected


def check_keys(dataset: str, manifest: Manifest, shard: ShardEntry, seen: set[str]) -> Iterator[Damage]:
    """Check that each key belongs to its shard and is not one of `seen`; add the keys to `seen`."""
    path = storage.join(dataset, shard.sidecar.name)
    if not storage.exists(path):
        return
    where, index = shard.sidecar.name, shard.index
    for key in tables.read_table(path, ["key"])["key"].to_pylist():
        if key in seen:
            yield Damage(kind=DamageKind.DUPLICATE_KEY, where=where, shard=index, subject=key)
        if layout.shard_of(key, manifest.shard_count) != index:
            yield Damage(kind=DamageKind.MISPLACED_KEY, where=where, shard=index, subject=key)
        seen.add(key)
