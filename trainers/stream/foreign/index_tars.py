"""Writes sidecars and a manifest for tars that other programs made (`loom index`), from the tars' headers alone.

The tars may come from img2dataset, webdataset, energon, open_flamingo (MMC4) or an export of OBELICS; they are neither
moved nor changed. Hashes stay empty unless they are requested, because they need the members' bytes. Memory: the rows
of one tar, and 8 bytes per key.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from corpusloom.schemas import arrow, layout, storage, tables
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.manifest import Manifest, make_digest, write_manifest
from corpusloom.schemas.records import FileEntry, Member, ShardEntry, SidecarRow
from corpusloom.trainers.stream.foreign.find_tars import ForeignTar, find_tars
from corpusloom.trainers.stream.foreign.grouping import group_members, is_named
from corpusloom.trainers.stream.foreign.headers import Header, read_headers
from corpusloom.trainers.stream.foreign.key_digests import KeyDigests

MARK = "index.json"
"""Name of the file that lists the indexed tars; it is written first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """Counts of `index_tars`."""

    samples: int
    shards: int
    kind: str
    ignored: dict[str, int]
    """Extension -> number of members that are not on the allow-list and never opened; `repeated EXTENSION` -> number
    of members whose field the sample has already; `without key or extension` -> number of members such as ._a.jpg."""
    excluded: int
    """Samples that the tars' own dataset excludes."""


@dataclass(slots=True)
class _Found:
    """Counts over all tars."""

    prefix_keys: bool
    hashes: bool
    keys: KeyDigests = field(default_factory=KeyDigests)
    ignored: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    excluded: int = 0


def index_tars(
    inputs: Sequence[str],
    out: str,
    *,
    kind: str | None = None,
    prefix_keys: bool = False,
    hashes: bool = False,
    on_tar: Callable[[], None] = lambda: None,
) -> Indexed:
    """Write sidecars and a manifest for tars into the folder `out`; without `kind` it is guessed from the fields.

    `inputs` are what `find_tars` takes. A key that occurs twice is an error, because a key identifies a sample;
    `prefix_keys` puts the tar's name before each key, for tars that all count from zero. `hashes` reads the tars
    whole and notes the sha256 of each tar and member, so that `verify=True` finds later changes. `on_tar` is called
    after each tar.
    """
    if kind is not None and kind not in layout.KINDS:
        raise ConfigError(f"no kind {kind!r}", remedy="use one of " + ", ".join(layout.KINDS))
    _refuse_occupied(out)
    tars = find_tars(inputs)
    if not tars:
        raise InputError("no tars", where=out)
    listed = json.dumps({"tars": [tar.path for tar in tars]}, indent=1)
    storage.write_bytes(storage.join(out, MARK), listed.encode())
    found = _Found(prefix_keys, hashes)
    entries: list[ShardEntry] = []
    for number, tar in enumerate(tars):
        rows = list(_rows(tar, found))
        _refuse_repeated(tar, rows, found, out, entries)
        found.fields.update({member.field for row in rows[:100] for member in row.members})
        if rows:
            entries.append(_write(tar.path, number, rows, out, hashes))
        on_tar()
    if not entries:
        raise InputError("the tars hold no samples", where=out, remedy="members are called KEY.jpg, KEY.txt ...")
    manifest = _commit(out, entries, kind or guess_kind(found.fields), len(tars))
    return Indexed(
        samples=manifest.samples, shards=len(entries), kind=manifest.kind, ignored=dict(found.ignored),
        excluded=found.excluded,
    )  # fmt: skip


def _refuse_occupied(out: str) -> None:
    """Raise InputError if a folder holds files of a dataset that is not an earlier index."""
    names = storage.listing(out)
    if MARK in names:
        return
    taken = [name for name in names if name.endswith((".parquet", "_stats.json", layout.MANIFEST))]
    if taken:
        raise InputError(f"the index would overwrite {taken[0]}", where=out, remedy="name another --out")


def _refuse_repeated(
    tar: ForeignTar, rows: list[SidecarRow], found: _Found, out: str, entries: list[ShardEntry]
) -> None:
    """Raise InputError when a key occurs twice; keys with equal digests are compared in the sidecars written so far."""
    suspected = Counter(found.keys.add([row.key for row in rows]))
    repeated = {key for key, count in suspected.items() if count > 1}
    if suspected and not repeated:
        for entry in entries:
            earlier = tables.read_records(storage.join(out, entry.sidecar.name), SidecarRow)
            repeated |= suspected.keys() & {row.key for row in earlier}
    if repeated:
        remedy = (
            "leave one of the tars out" if found.prefix_keys else "leave one of the tars out, or give --prefix-keys"
        )
        raise InputError(f"key {min(repeated)} occurs twice", where=tar.path, remedy=remedy)


def _commit(out: str, entries: list[ShardEntry], kind: str, tars: int) -> Manifest:
    shards = tuple(entries)
    manifest = Manifest(
        recipe=layout.FOREIGN, kind=kind, config="{}", inputs=(), shard_count=tars, counts=(), shards=shards, tables=(),
        samples=sum(entry.samples for entry in shards), digest=make_digest("{}", shards, ()),
    )  # fmt: skip
    sizes = {entry.tar.name: entry.samples for entry in shards}
    storage.write_bytes(storage.join(out, layout.SIZES), json.dumps(sizes, indent=1, sort_keys=True).encode())
    write_manifest(out, manifest)
    return manifest


def guess_kind(fields: Iterable[str]) -> str:
    """Return pairs, regions, clips or interleaved by the fields that samples have."""
    names = set(fields)
    images = {name for name in names if layout.extension_of(name) in layout.IMAGE_EXTENSIONS}
    numbered = any(name.split(".")[0].isdigit() for name in images)
    if "regions.npz" in names:
        return "regions"
    if "txt" in names and images:
        return "clips" if numbered else "pairs"
    if "json" in names:
        return "pairs" if images and not numbered else "interleaved"
    remedy = "name the kind: " + ", ".join(layout.KINDS)
    raise InputError(f"no kind of sample has the fields {sorted(names)} alone", remedy=remedy)


def _rows(tar: ForeignTar, found: _Found) -> Iterator[SidecarRow]:
    """Yield one row per sample of a tar, unless its dataset excludes the sample."""
    prefix = f"{tar.path.rpartition('/')[2].removesuffix('.tar')}/" if found.prefix_keys else ""
    for key, fields in group_members(read_headers(tar.path, found.hashes), tar.path, found.ignored).items():
        if key in tar.excluded:
            found.excluded += 1
            continue
        members = tuple(_member(name, header) for name, header in sorted(fields.items()))
        images = sum(1 for name in fields if layout.extension_of(name) in layout.IMAGE_EXTENSIONS)
        yield SidecarRow(key=prefix + key, url="", images=images, split=tar.split, members=members)


def _member(name: str, header: Header) -> Member:
    return Member(field=name, offset=header.offset, size=header.size, stored_sha256=header.sha256, crc32c=header.crc32c)


def check_tar(path: str, rows: Iterable[SidecarRow], hashes: bool) -> Iterator[str]:
    """Yield one line if the offsets of a tar's members differ from those in its sidecar.

    `hashes` reads the members too, and compares those whose sha256 was noted.
    """
    lying = {header.offset: header for header in read_headers(path, hashes)}
    wrong, total = [], 0
    for row in rows:
        for member in row.members:
            total += 1
            header = lying.get(member.offset)
            noted = member.stored_sha256 if hashes else ""
            if header is None or header.size != member.size or not is_named(header.name, row.key, member.field):
                wrong.append(f"no {member.field} of {row.key} of {member.size} bytes at byte {member.offset}")
            elif noted and header.sha256 != noted:
                wrong.append(f"the bytes of {header.name} have changed since they were indexed")
    if wrong:
        yield f"{len(wrong)} of {total} members differ from the index; the first: {wrong[0]}"


def _write(tar: str, number: int, rows: list[SidecarRow], out: str, hashes: bool) -> ShardEntry:
    stem = layout.shard_stem(number)
    name = f"{stem}.parquet"
    data = tables.write_records(storage.join(out, name), SidecarRow, rows, sort_by=["key"])
    digest = tables.rows_digest(arrow.to_table(SidecarRow, rows), sort_by=["key"])
    stats = json.dumps({"count": len(rows), "successes": len(rows)}).encode()
    storage.write_bytes(storage.join(out, f"{stem}_stats.json"), stats)
    return ShardEntry(
        index=number,
        tar=FileEntry(
            name=_place(tar, out), sha256=storage.hash_file(tar)[0] if hashes else "", bytes=storage.size(tar)
        ),
        sidecar=_entry(name, data, len(rows), digest),
        stats=_entry(f"{stem}_stats.json", stats),
        samples=len(rows),
    )


def _place(tar: str, out: str) -> str:
    """Return a tar's name in the manifest: a relative path if both are local, else its URL or absolute path."""
    if not storage.is_local(tar):
        return tar
    if not storage.is_local(out):
        return os.path.abspath(tar)
    return os.path.relpath(tar, out)


def _entry(name: str, data: bytes, rows: int | None = None, digest: str | None = None) -> FileEntry:
    return FileEntry(name=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), rows=rows, rows_digest=digest)
