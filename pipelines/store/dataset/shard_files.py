"""Writes the files of one shard: tar, sidecar and statistics, and the report that marks the shard as finished."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from corpusloom.pipelines.store.dataset import tars
from corpusloom.pipelines.store.dataset.samples import (
    UnwrittenSample,
    members_of,
)
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.stages import DELETE_STAGE
from corpusloom.schemas import arrow, layout, storage, tables
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.records import (
    FileEntry,
    Member,
    ShardEntry,
    SidecarRow,
    StageCounts,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """The report of a finished shard."""

    index: int
    entry: ShardEntry | None
    """Entry for the manifest; None for a shard without samples, which has no files."""
    counts: tuple[StageCounts, ...]


def file_entry(name: str, data: bytes, *, rows: int | None = None, rows_digest: str | None = None) -> FileEntry:
    """Return the entry of a file for the manifest, from its bytes."""
    return FileEntry(
        name=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), rows=rows, rows_digest=rows_digest
    )


def write_shard_files(dataset: str, index: int, samples: Iterable[UnwrittenSample]) -> ShardEntry | None:
    """Write a shard's tar, sidecar and statistics; without samples write nothing and return None."""
    current: list[UnwrittenSample] = []
    sidecar: list[SidecarRow] = []

    def members() -> Iterator[tuple[str, dict[str, bytes]]]:
        for sample in samples:
            current[:] = [sample]
            yield sample.key, sample.fields

    def written(_: str, places: tuple[tars.MemberPlace, ...]) -> None:
        (sample,) = current
        sidecar.append(_sidecar_row(sample, members_of(sample, places)))

    tar_name, sidecar_name, stats_name = layout.shard_files(index)
    tar = tars.write_shard(storage.join(dataset, tar_name), members(), written)
    if not sidecar:
        return None
    table = arrow.to_table(SidecarRow, sidecar)
    data = tables.write_table(storage.join(dataset, sidecar_name), table, sort_by=("key",))
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
    storage.write_bytes(storage.join(dataset, stats_name), stats)
    return ShardEntry(
        index=index,
        tar=FileEntry(name=tar_name, sha256=tar.sha256, bytes=tar.bytes),
        sidecar=file_entry(
            sidecar_name, data, rows=len(sidecar), rows_digest=tables.rows_digest(table, sort_by=("key",))
        ),
        stats=file_entry(stats_name, stats),
        samples=len(sidecar),
    )


def _sidecar_row(sample: UnwrittenSample, members: tuple[Member, ...]) -> SidecarRow:
    """Return a sample's row with its members and the stored hash of its first image."""
    stored = next((member.stored_sha256 for member in members if member.sha256 is not None), None)
    return dataclasses.replace(sample.row, stored_sha256=stored, members=members)


def commit_shard(folder: str, index: int, entry: ShardEntry | None, ledger: Ledger) -> ShardReport:
    """Write a shard's part of the ledger, then its report, which marks the shard as finished; return the report."""
    ledger.write(folder, layout.shard_stem(index))
    report = ShardReport(index=index, entry=entry, counts=tuple(ledger.counts()))
    storage.write_bytes(report_path(folder, index), json_files.seal(arrow.to_plain(report)))
    return report


def report_path(folder: str, index: int) -> str:
    """Return the path of a shard's report; the shard is finished if it exists."""
    return storage.join(folder, "done", f"{layout.shard_stem(index)}.json")


def read_shard_report(folder: str, index: int) -> ShardReport:
    """Read the report of a finished shard."""
    return json_files.read_record(report_path(folder, index), ShardReport, DELETE_STAGE)


def is_finished(dataset: str, folder: str, index: int) -> bool:
    """Return whether a shard is finished and its files still exist; another build may have deleted them."""
    if not storage.exists(report_path(folder, index)):
        return False
    entry = read_shard_report(folder, index).entry
    files = (entry.tar, entry.sidecar, entry.stats) if entry is not None else ()
    paths = [(storage.join(dataset, file.name), file.bytes) for file in files]
    return all(storage.exists(path) and storage.size(path) == size for path, size in paths)
