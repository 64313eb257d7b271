"""Proves a dataset: every hash, every offset, every count, from the manifest down to single images."""

import contextlib
import hashlib
import json
import mmap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.pipelines.store.dataset.folder import TABLES
from corpusloom.pipelines.store.dataset.tars import header
from corpusloom.pipelines.store.stages import leaks
from corpusloom.schemas import arrow, layout, storage, tables
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.manifest import Manifest, make_digest, read_manifest
from corpusloom.schemas.records import FileEntry, ShardEntry, SidecarRow, StageCounts

Depth = Literal["quick", "full", "deep"]
CheckTar = Callable[[str, Iterable[SidecarRow], bool], Iterator[str]]
"""(path of a tar, rows of its sidecar, whether to compare hashes) -> how they differ."""
HEADER_BYTES = 512
REPAIR = "loom verify DATASET --repair writes it anew"
INDEX_ANEW = "fetch the tar again, or run loom index anew if it was meant to change"


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not what the manifest says."""

    where: str
    what: str
    remedy: str = REPAIR

    @property
    def shard(self) -> int | None:
        """Return the number of the damaged shard, None where something else is damaged."""
        stem = self.where.split(".")[0].removesuffix("_stats")
        return int(stem) if stem.isdigit() and "/" not in self.where else None


def verify(
    dataset: str,
    depth: Depth = "full",
    on_shard: Callable[[], None] = lambda: None,
    check_tar: CheckTar = lambda path, rows, hashes: iter(()),
) -> Iterator[Damage]:
    """Yield everything that is wrong with a dataset; nothing when it is whole.

    quick: the files of the manifest are there with their sizes, tables open, counts and digest add up. full: also
    the sha256 of each file, the rows' hashes, the tar header before each member. deep: also each member's bytes.
    Of an index of tars that others made: the tars' sizes, and unless quick their hashes, where `loom index --hashes`
    noted them, and what `check_tar` finds. `on_shard` is called after each shard.
    """
    for damage in _damages(dataset, depth, on_shard, check_tar):
        if damage.remedy == REPAIR:
            what = f"shard {layout.shard_stem(damage.shard)} alone" if damage.shard is not None else "it"
            damage = replace(damage, remedy=f"loom verify {dataset} --repair writes {what} anew")
        yield damage


def _damages(dataset: str, depth: Depth, on_shard: Callable[[], None], check_tar: CheckTar) -> Iterator[Damage]:
    manifest = read_manifest(dataset)
    if manifest.recipe == layout.FOREIGN:
        yield from _index_damages(dataset, manifest, depth, on_shard, check_tar)
        return
    seen: set[str] = set()
    yield from check_counts(manifest)
    for shard in manifest.shards:
        yield from _readable(check_shard(dataset, shard, depth), shard.sidecar.name)
        on_shard()
    for entry in manifest.tables:
        yield from check_table(dataset, entry, depth)
    for entry in manifest.documents:
        yield from check_file(dataset, entry, depth)
    if make_digest(manifest.config, manifest.shards, manifest.tables) != manifest.digest:
        yield Damage("manifest.json", "the digest is not that of its entries", "rebuild the dataset")
    yield from check_strangers(dataset, manifest)
    if depth != "quick":
        yield from _readable(check_ledger(dataset, manifest), "ledger")
        for shard in manifest.shards:
            yield from _readable(check_keys(dataset, manifest, shard, seen), shard.sidecar.name)


def _index_damages(
    dataset: str, manifest: Manifest, depth: Depth, on_shard: Callable[[], None], check_tar: CheckTar
) -> Iterator[Damage]:
    yield from check_counts(manifest)
    for shard in manifest.shards:
        for damage in _readable(check_indexed(dataset, shard, depth, check_tar), shard.tar.name):
            yield replace(damage, remedy=INDEX_ANEW)
        on_shard()
    if make_digest(manifest.config, manifest.shards, manifest.tables) != manifest.digest:
        yield Damage("manifest.json", "the digest is not that of its entries", INDEX_ANEW)


def check_indexed(dataset: str, shard: ShardEntry, depth: Depth, check_tar: CheckTar) -> Iterator[Damage]:
    """Check a tar that others made, wherever it lies, and its sidecar; the members against each other unless quick."""
    tar = storage.resolve(dataset, shard.tar.name)
    found = [damage for entry in (shard.sidecar, shard.stats) for damage in check_file(dataset, entry, depth)]
    found += check_file(dataset, shard.tar, depth if shard.tar.sha256 else "quick", path=tar)
    yield from found
    if found or depth == "quick":
        return
    rows = list(tables.read_records(storage.join(dataset, shard.sidecar.name), SidecarRow))
    if len(rows) != shard.samples:
        yield Damage(shard.sidecar.name, f"has {len(rows)} rows for {shard.samples} samples")
    for what in check_tar(tar, rows, depth == "deep"):
        yield Damage(shard.tar.name, what)


def unproved(manifest: Manifest, depth: Depth) -> str:
    """Return what a verify of this depth cannot say of an index of others' tars; "" where it says all."""
    if manifest.recipe != layout.FOREIGN:
        return ""
    if depth == "quick":
        return ", an index: sizes only"
    hashed = all(shard.tar.sha256 for shard in manifest.shards)
    return ", an index: hashes and offsets" if hashed else ", an index: sizes, offsets; index with --hashes for bytes"


def _readable(checks: Iterator[Damage], where: str) -> Iterator[Damage]:
    """Yield what checks find; a file that cannot be read is damage as well, and does not end the proof."""
    try:
        yield from checks
    except LoomError as error:
        yield Damage(where, error.what, error.remedy)


def check_counts(manifest: Manifest) -> Iterator[Damage]:
    """Check in = kept + rejected + dead for each stage and unit, and the samples against the shards."""
    for row in manifest.counts:
        if row.unaccounted:
            yield Damage(
                "manifest.json", f"{row.unaccounted} of stage {row.stage}, unit {row.unit} are unaccounted for"
            )
    for leak in leaks(manifest.counts):
        yield Damage("manifest.json", leak)
    total = sum(shard.samples for shard in manifest.shards)
    if total != manifest.samples:
        yield Damage("manifest.json", f"{manifest.samples} samples, but its shards hold {total}")


def check_file(dataset: str, entry: FileEntry, depth: Depth, path: str = "") -> Iterator[Damage]:
    """Check that a file is there with its size, and unless quick with its hash."""
    path = path or storage.join(dataset, entry.name)
    if not storage.exists(path):
        yield Damage(entry.name, "is missing")
        return
    size = storage.size(path)
    if size != entry.bytes:
        yield Damage(entry.name, f"has {size} bytes, not {entry.bytes}")
    elif depth != "quick" and storage.hash_file(path)[0] != entry.sha256:
        yield Damage(entry.name, "its bytes are not those that were written (sha256 differs)")


def check_shard(dataset: str, shard: ShardEntry, depth: Depth) -> Iterator[Damage]:
    """Check a shard's three files, then every sidecar row against the tar."""
    found = [
        damage for entry in (shard.tar, shard.sidecar, shard.stats) for damage in check_file(dataset, entry, depth)
    ]
    yield from found
    if found or depth == "quick":
        return
    path = storage.join(dataset, shard.sidecar.name)
    table = arrow.upgrade(SidecarRow, tables.read_table(path), path).select(["key", "members"])
    if table.num_rows != shard.samples:
        yield Damage(shard.sidecar.name, f"has {table.num_rows} rows for {shard.samples} samples")
    with _reading(storage.join(dataset, shard.tar.name)) as read:
        yield from _check_members(read, shard, members_of(table), deep=depth == "deep")


MemberRow = tuple[str, int, int, str]
"""A member's name, offset and size in bytes, sha256."""


def members_of(table: pa.Table) -> Iterator[MemberRow]:
    """Yield the members of a sidecar's rows; columns are read, not records, which would cost more than the hashes."""
    table = table.combine_chunks()
    for batch in table.to_batches():
        lists = batch.column("members")
        keys = batch.column("key").take(pc.list_parent_indices(lists)).to_pylist()
        members = lists.flatten()
        columns = (members.field(name).to_pylist() for name in ("field", "offset", "size", "stored_sha256"))
        for key, field, offset, size, sha256 in zip(keys, *columns, strict=True):
            yield layout.member_name(key, field), offset, size, sha256


@contextlib.contextmanager
def _reading(path: str) -> Iterator[Callable[[int, int], bytes]]:
    """Yield what reads so many bytes at an offset of a file: from mapped memory where it is local."""
    with storage.open_input(path) as handle:
        if storage.is_local(path):
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                yield lambda offset, size: mapped[max(0, offset) : max(0, offset + size)]
            return

        def read(offset: int, size: int) -> bytes:
            handle.seek(offset)
            return handle.read(size)

        yield read


def _check_members(
    read: Callable[[int, int], bytes], shard: ShardEntry, members: Iterable[MemberRow], *, deep: bool
) -> Iterator[Damage]:
    for name, offset, size, sha256 in members:
        found = read(offset - HEADER_BYTES, HEADER_BYTES)
        if found != header(name, size) and not _names(found, name, size):
            yield Damage(shard.tar.name, f"no header of {name} before byte {offset}")
        elif deep and hashlib.sha256(read(offset, size)).hexdigest() != sha256:
            yield Damage(shard.tar.name, f"the bytes of {name} are not those of its sidecar row")


def _names(header: bytes, name: str, size: int) -> bool:
    """Say whether a ustar header is that of a member of this name and size."""
    if len(header) != HEADER_BYTES or header[257:262] != b"ustar":
        return False
    found = header[:100].rstrip(b"\0").decode("utf-8", "replace")
    try:
        return found == name and int(header[124:136].rstrip(b"\0 ") or b"0", 8) == size
    except ValueError:
        return False


def check_table(dataset: str, entry: FileEntry, depth: Depth) -> Iterator[Damage]:
    """Check a table's file, its number of rows, and unless quick the hash of its rows."""
    found = list(check_file(dataset, entry, depth))
    yield from found
    if found:
        return
    path = storage.join(dataset, entry.name)
    try:
        with tables.open_parquet(path) as file:
            if file.metadata.num_rows != entry.rows:
                yield Damage(entry.name, f"has {file.metadata.num_rows} rows, not {entry.rows}")
            if depth == "quick":
                return
            schema = file.schema_arrow
        cls, order = TABLES[entry.name.split("/")[0]]
        old = arrow.upgrade(cls, schema.empty_table(), path).schema != schema  # rows of an older version
        digest = (
            tables.rows_digest(arrow.upgrade(cls, tables.read_table(path), path), sort_by=order)
            if old
            else tables.file_digest(path)
        )
        if digest != entry.rows_digest:
            yield Damage(entry.name, "its rows are not those that were written")
    except LoomError as error:
        yield Damage(entry.name, error.what, error.remedy)


def check_strangers(dataset: str, manifest: Manifest) -> Iterator[Damage]:
    """Find tars that the manifest does not know: a reader that lists the folder would train on them."""
    known = {shard.tar.name for shard in manifest.shards}
    for name in storage.listing(dataset, ".tar"):
        if name not in known:
            yield Damage(name, "is not in the manifest", "move the foreign file out of the folder")


def check_ledger(dataset: str, manifest: Manifest) -> Iterator[Damage]:
    """Check that the ledger holds, for each stage, unit and reason, as many rows as the manifest counts."""
    counted: Counter[tuple[str, str, str, str]] = Counter()
    for entry in manifest.tables:
        if entry.name.startswith("ledger/"):
            columns = ["stage", "unit", "outcome", "reason"]
            table = tables.read_table(storage.join(dataset, entry.name), columns)
            for row in pa.TableGroupBy(table, columns).aggregate([([], "count_all")]).to_pylist():
                counted[row["stage"], row["unit"], row["outcome"], row["reason"]] += row["count_all"]
    expected = _expected(manifest.counts)
    for name in sorted({*counted, *expected}):
        if counted[name] != expected[name]:
            label = " / ".join(name)
            yield Damage("ledger", f"{counted[name]} rows of {label}, the manifest counts {expected[name]}")


def _expected(counts: tuple[StageCounts, ...]) -> Counter[tuple[str, str, str, str]]:
    expected: Counter[tuple[str, str, str, str]] = Counter()
    for row in counts:
        for outcome, reasons in (("rejected", row.rejected), ("dead", row.dead)):
            for reason, number in reasons.items():
                expected[row.stage, row.unit, outcome, reason] += number
    return expected


def check_keys(dataset: str, manifest: Manifest, shard: ShardEntry, seen: set[str]) -> Iterator[Damage]:
    """Check that each key of a shard lies in its own shard and is not one of those `seen`; add them to those."""
    path = storage.join(dataset, shard.sidecar.name)
    if not storage.exists(path):
        return
    for key in tables.read_table(path, ["key"])["key"].to_pylist():
        if key in seen:
            yield Damage(shard.sidecar.name, f"key {key} occurs twice")
        if layout.shard_of(key, manifest.shard_count) != shard.index:
            yield Damage(shard.sidecar.name, f"key {key} does not belong to this shard")
        seen.add(key)


def to_json(damages: list[Damage]) -> str:
    """Return what `loom verify --json` prints."""
    return json.dumps(
        {"whole": not damages, "damage": [{"where": d.where, "what": d.what, "remedy": d.remedy} for d in damages]},
        indent=1,
    )
