"""Sidecars and a manifest for tars that others made (`loom index`): headers are read, members are not.

Works on what img2dataset, webdataset and energon write. The tars stay as they are. A repeated key is an error, for
a stream must hold each sample once; hashes of members stay empty, since nothing but headers was read.
"""

import hashlib
import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from schemas import arrow, layout, storage, tables
from schemas.errors import DamageError, InputError
from schemas.manifest import Manifest, make_digest, write_manifest
from schemas.records import FileEntry, Member, ShardEntry, SidecarRow

_KEPT_AS = {"jpeg": "jpg", "jsn": "json", "text": "txt"}
"""Extensions that mean one of ours; the tar keeps its own name, the sidecar says which field it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What `index_tars` found."""

    samples: int
    shards: int
    kind: str
    ignored: dict[str, int]
    """Extension -> members that are not on the allow-list, and that no reader of ours opens."""


def index_tars(tars: Sequence[str], out: str, *, kind: str | None = None) -> Indexed:
    """Write sidecars and a manifest into the folder `out` for the tars named; the kind is guessed from the fields."""
    if not tars:
        raise InputError("no tars", where=out)
    ignored: Counter[str] = Counter()
    seen: set[str] = set()
    entries, fields = [], Counter[str]()
    for number, tar in enumerate(tars):
        rows = list(_rows(tar, seen, ignored))
        fields.update({member.field for row in rows[:100] for member in row.members})
        if rows:
            entries.append(_write(tar, number, rows, out))
    if not entries:
        raise InputError("the tars hold no samples", where=out)
    shards = tuple(entries)
    manifest = Manifest(
        recipe="foreign",
        kind=kind or guess_kind(fields),
        config="{}",
        inputs=(),
        shard_count=len(tars),
        samples=sum(entry.samples for entry in shards),
        counts=(),
        shards=shards,
        tables=(),
        digest=make_digest("{}", shards, ()),
    )
    write_manifest(out, manifest)
    sizes = {entry.tar.name: entry.samples for entry in shards}
    storage.write_bytes(storage.join(out, layout.SIZES), json.dumps(sizes, indent=1, sort_keys=True).encode())
    return Indexed(samples=manifest.samples, shards=len(shards), kind=manifest.kind, ignored=dict(ignored))


def guess_kind(fields: Iterable[str]) -> str:
    """Return pairs, regions, clips or interleaved by the fields that samples have."""
    names = set(fields)
    numbered = any(name.split(".")[0].isdigit() for name in names)
    if "regions.npz" in names:
        return "regions"
    if "txt" in names:
        return "clips" if numbered else "pairs"
    if "json" in names:
        return "interleaved"
    raise InputError(f"no kind of sample has only {sorted(names)}", remedy="name the kind: " + ", ".join(layout.KINDS))


def _rows(tar: str, seen: set[str], ignored: Counter[str]) -> Iterator[SidecarRow]:
    """Yield a row a sample, members grouped by adjacency; names are split at their first dot, as readers do."""
    key, members = "", list[Member]()
    for name, offset, size in _headers(tar):
        folder, _, base = name.rpartition("/")
        stem, dot, field = base.partition(".")
        if not dot or not stem or base.startswith("__"):
            continue
        this = f"{folder}/{stem}" if folder else stem
        if this != key:
            if members:
                yield _row(tar, key, members, seen)
            key, members = this, []
        field = field.lower()
        front, _, extension = field.rpartition(".")
        known = _KEPT_AS.get(extension, extension)
        if known not in layout.EXTENSIONS:
            ignored[extension] += 1
            continue
        field = f"{front}.{known}" if front else known
        members.append(Member(field=field, offset=offset, size=size, stored_sha256=""))
    if members:
        yield _row(tar, key, members, seen)


def _row(tar: str, key: str, members: list[Member], seen: set[str]) -> SidecarRow:
    if key in seen:
        raise InputError(f"key {key} occurs twice", where=tar, remedy="leave one of the tars out")
    seen.add(key)
    images = sum(1 for member in members if layout.extension_of(member.field) in layout.IMAGE_EXTENSIONS)
    return SidecarRow(key=key, url="", images=images, members=tuple(sorted(members, key=lambda member: member.field)))


def _headers(tar: str) -> Iterator[tuple[str, int, int]]:
    """Yield name, data offset and size of the regular members."""
    with storage.open_input(tar) as handle:
        try:
            with tarfile.open(fileobj=handle, mode="r:") as archive:
                for info in archive:
                    archive.members = []  # type: ignore[attr-defined]
                    if info.isreg():
                        yield info.name, info.offset_data, info.size
        except tarfile.TarError as error:
            raise DamageError(f"not a readable tar: {error}", where=tar, remedy="fetch it again") from error


def _write(tar: str, number: int, rows: list[SidecarRow], out: str) -> ShardEntry:
    stem = layout.shard_stem(number)
    name = f"{stem}.parquet"
    data = tables.write_records(storage.join(out, name), SidecarRow, rows, sort_by=["key"])
    digest = tables.rows_digest(arrow.to_table(SidecarRow, rows), sort_by=["key"])
    stats = json.dumps({"count": len(rows), "successes": len(rows)}).encode()
    storage.write_bytes(storage.join(out, f"{stem}_stats.json"), stats)
    place = os.path.relpath(tar, out) if storage.is_local(tar) and storage.is_local(out) else tar
    return ShardEntry(
        index=number,
        tar=FileEntry(name=place, sha256="", bytes=storage.size(tar)),
        sidecar=_entry(name, data, len(rows), digest),
        stats=_entry(f"{stem}_stats.json", stats),
        samples=len(rows),
    )


def _entry(name: str, data: bytes, rows: int | None = None, digest: str | None = None) -> FileEntry:
    return FileEntry(name=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), rows=rows, rows_digest=digest)
