"""The files of one shard: tar, sidecar, statistics, and the report that makes the shard finished."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from corpusloom.pipelines.store.dataset import tars
from corpusloom.pipelines.store.dataset.samples import (
    UnwrittenSample,
    members_of,
)
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas import arrow, layout, storage, tables
from corpusloom.schemas.records import (
    FileEntry,
    Member,
    ShardEntry,
    SidecarRow,
    StageCounts,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """What a finished shard says of itself; entry is None when no sample was left for it."""

    index: int
    entry: ShardEntry | None
    counts: tuple[StageCounts, ...]


def file_entry(name: str, data: bytes, **rows: Any) -> FileEntry:
    """Return the manifest's entry of a file whose bytes are at hand."""
    return FileEntry(name=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), **rows)


def write_shard_files(dataset: str, index: int, samples: Iterable[UnwrittenSample]) -> ShardEntry | None:
    """Write a shard's tar, sidecar and statistics; return None, and write nothing, without samples."""
    current: list[UnwrittenSample] = []
    sidecar: list[SidecarRow] = []

    def members() -> Iterator[tuple[str, dict[str, bytes]]]:
        for sample in samples:
            current[:] = [sample]
            yield sample.key, sample.fields

    def written(_: str, places: tuple[tars.MemberPlace, ...]) -> None:
        (sample,) = current
        sidecar.append(_sidecar_row(sample, members_of(sample, places)))

    stem = layout.shard_stem(index)
    tar = tars.write_shard(storage.join(dataset, f"{stem}.tar"), members(), written)
    if not sidecar:
        return None
    table = arrow.to_table(SidecarRow, sidecar)
    data = tables.write_table(storage.join(dataset, f"{stem}.parquet"), table, sort_by=("key",))
    stats = json.dumps(
        {
            "count": len(sidecar),
            "successes": len(sidecar),
            "failed_to_download": 0,
            "failed_to_resize": 0,
            "status_dict": {"success": len(sidecar)},
        },
        indent=4,
    ).encode()
    storage.write_bytes(storage.join(dataset, f"{stem}_stats.json"), stats)
    return ShardEntry(
        index=index,
        tar=FileEntry(name=f"{stem}.tar", sha256=tar.sha256, bytes=tar.bytes),
        sidecar=file_entry(
            f"{stem}.parquet", data, rows=len(sidecar), rows_digest=tables.rows_digest(table, sort_by=("key",))
        ),
        stats=file_entry(f"{stem}_stats.json", stats),
        samples=len(sidecar),
    )


def _sidecar_row(sample: UnwrittenSample, members: tuple[Member, ...]) -> SidecarRow:
    """Return a sample's row with its members, and its first image's stored hash."""
    stored = next((member.stored_sha256 for member in members if member.sha256 is not None), None)
    return dataclasses.replace(sample.row, stored_sha256=stored, members=members)


def commit_shard(folder: str, index: int, entry: ShardEntry | None, ledger: Ledger) -> ShardReport:
    """Write a shard's part of the ledger, then its report, which makes the shard finished; return the report."""
    ledger.write(folder, layout.shard_stem(index))
    report = ShardReport(index=index, entry=entry, counts=tuple(ledger.counts()))
    storage.write_bytes(report_path(folder, index), json.dumps(arrow.to_plain(report)).encode())
    return report


def report_path(folder: str, index: int) -> str:
    """Return where a finished shard's report lies: what makes it finished."""
    return storage.join(folder, "done", f"{layout.shard_stem(index)}.json")


def read_shard_report(folder: str, index: int) -> ShardReport:
    """Read a finished shard's report."""
    return arrow.from_plain(ShardReport, json.loads(storage.read_bytes(report_path(folder, index))))


def is_finished(dataset: str, folder: str, index: int) -> bool:
    """Say whether a shard was written before and still lies there: another build may have claimed the folder since."""
    if not storage.exists(report_path(folder, index)):
        return False
    entry = read_shard_report(folder, index).entry
    files = (entry.tar, entry.sidecar, entry.stats) if entry is not None else ()
    paths = [(storage.join(dataset, file.name), file.bytes) for file in files]
    return all(storage.exists(path) and storage.size(path) == size for path, size in paths)
