"""Applies take-downs to existing files: stage files of a work folder, the image store, WARCs."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable
from typing import Any

from corpusloom.pipelines.builds.finished_stages import finished_stages
from corpusloom.pipelines.stages.extract import input_fragments
from corpusloom.pipelines.stages.extract.input_fragments import IMAGE_NOTES, ROW_GROUP_ROWS
from corpusloom.pipelines.stages.kinds.registry import RECORD_KINDS
from corpusloom.pipelines.stages.regions.outputs import remove_outputs
from corpusloom.pipelines.store.images.from_warcs import NOTE_ORDER, WarcImage, read_notes, write_notes
from corpusloom.pipelines.store.images.packs import pack_name
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.ledger import LEDGER_ORDER, PROVENANCE_ORDER
from corpusloom.pipelines.store.stages import stage_folders, stem_of
from corpusloom.pipelines.store.tombstones import Tombstones, is_taken_down, redact, redact_head
from corpusloom.pipelines.store.warc.digests import spell_digest
from corpusloom.pipelines.store.warc.records import warc_records
from corpusloom.pipelines.store.warc.revisits import url_of
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas import arrow, storage, tables
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.records import Head, ImageRecord, LedgerRow, ProvenanceRow

APPLIED = "tombstones.applied"
"""File in a work folder that holds the digest of the tombstones that were last applied to the folder."""

Change = Callable[[Any], Any]
HEAD_ORDER = ("key", "parent")


def rewrite(path: str, cls: type, change: Change, sort_by: tuple[str, ...], group: int = tables.ROW_GROUP_ROWS) -> bool:
    """Apply `change` to each row of a table and write the table anew, atomically, if any row changed.

    `change` returns the same row, another row, or None to remove the row. Return whether the table was written.
    """
    before: list[Any] = list(tables.read_records(path, cls))
    after = [change(row) for row in before]
    if all(new is old for new, old in zip(after, before, strict=True)):
        return False
    table = arrow.to_table(cls, [row for row in after if row is not None])
    tables.write_table(path, table, sort_by=sort_by, row_group_rows=group)
    return True


def purge_work(work: str, stones: Tombstones) -> None:
    """Purge the stage files of a work folder, unless these tombstones were applied to it before.

    Heads are purged first and records last. The records say which heads to purge, so a purge that was killed can be
    run again.
    """
    marker = storage.join(work, APPLIED)
    digest = stones.digest().encode()
    if not stones or (storage.exists(marker) and storage.read_bytes(marker) == digest):
        return
    stages, extracted = stage_folders(work), stage_folders(work, input_fragments.FOLDER)
    gone = named_records([path for stage in extracted for path in _files(storage.join(stage, "records"))], stones)

    def head(row: Head) -> Head:
        return redact_head(row) if row.url and (row.key, row.parent) in gone else redact(row, stones)

    for stage in stages:
        storage.remove(storage.join(stage, "frontier"), recursive=True)  # left by a fetch that was killed
        for kind in ("decisions", "candidates"):
            _each(storage.join(stage, kind), Head, head, HEAD_ORDER)
    for stage in stages:
        for kind, cls, order in (("ledger", LedgerRow, LEDGER_ORDER), ("provenance", ProvenanceRow, PROVENANCE_ORDER)):
            _each(storage.join(stage, kind), cls, lambda row: redact(row, stones), order)
    for stage in extracted:
        for path in _files(storage.join(stage, "records")):
            rewrite(path, record_class(path), lambda row: redact(row, stones), HEAD_ORDER, ROW_GROUP_ROWS)
        notes = storage.join(stage, IMAGE_NOTES)
        _each(notes, WarcImage, lambda row: None if is_taken_down(row, stones) else row, NOTE_ORDER)
    storage.write_bytes(marker, digest)


def named_records(fragments: list[str], stones: Tombstones) -> set[tuple[str, str]]:
    """Return the key and parent of each record in these fragments that the tombstones take down as a whole."""
    rows = (row for path in fragments for row in tables.read_records(path, record_class(path)))
    return {(row.key, row.parent) for row in rows if is_taken_down(row, stones)}


def record_class(path: str) -> type[Any]:
    """Return the class of the records in a fragment."""
    with tables.open_parquet(path) as file:
        name = (file.schema_arrow.metadata or {}).get(b"corpusloom.record", b"").decode()
    return next(kind.record for kind in RECORD_KINDS if arrow.record_name(kind.record) == name)


def _files(folder: str) -> list[str]:
    return [storage.join(folder, name) for name in storage.listing(folder, ".parquet")]


def _each(folder: str, cls: type, change: Change, sort_by: tuple[str, ...]) -> None:
    for path in _files(folder):
        rewrite(path, cls, change, sort_by)


def _images_gone(rows: list[ImageRecord], stones: Tombstones) -> frozenset[str]:
    """Return the sha256 of the images of which every URL was taken down, now or earlier."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for row in rows:
        found[not row.url or is_taken_down(row, stones)].add(row.sha256 or "")
    return frozenset(found[True] - found[False])


def purge_store(folder: str, stones: Tombstones) -> frozenset[str]:
    """Remove taken-down images, what detectors found in them, and all records of their URLs from the packs and index.

    Facts hold hashes only, so they stay. Return the sha256 of the images of which every URL was taken down.
    """
    store = ImageStore(folder)
    rows = _rows(store)
    gone = _images_gone(rows, stones)
    remove_outputs(folder, gone)
    storage.remove(store.path("frontier"), recursive=True)
    for name in storage.listing(store.path("packs"), ".warc"):
        if _purge_pack(
            store, name, [row for row in rows if row.pack == name and not is_taken_down(row, stones)], stones
        ):
            rows = _rows(store)
    for path in _parts(store):
        rewrite(path, ImageRecord, lambda row: redact(row, stones), ("key",))
    return gone


def _parts(store: ImageStore) -> list[str]:
    return [path for number in store.generations() for path in store.parts(number)]


def _rows(store: ImageStore) -> list[ImageRecord]:
    return [row for path in _parts(store) for row in tables.read_records(path, ImageRecord)]


def _purge_pack(store: ImageStore, name: str, rows: list[ImageRecord], stones: Tombstones) -> bool:
    """Write a pack anew without taken-down records, point the index at the new pack and delete the old one.

    The new pack is named after its content. If a purge was killed after some index parts had been changed, the next
    purge writes the remaining records into a pack of another name and does not overwrite the first one. Return whether
    the pack was written anew.
    """
    path = store.path("packs", name)
    wanted = {row.offset: row for row in reversed(rows)}
    records, data = _places(path), storage.read_bytes(path)
    gone = [_is_gone(data[place:end], url, kind, stones) for place, end, url, kind, _ in records]
    if not any(
        taken or (kind == "resource" and place not in wanted)
        for taken, (place, _, _, kind, _) in zip(gone, records, strict=True)
    ):
        return False
    stem = pack_name(f"{name} {stones.digest()} {sorted(row.sha256 or '' for row in wanted.values())}")
    moved: dict[int | None, tuple[int, int]] = {}
    with storage.writing(store.path("packs", f"{stem}.warc")) as handle:
        writer = WarcWriter(handle, compress=False)
        for taken, (place, end, _, kind, content_type) in zip(gone, records, strict=True):
            row = wanted.get(place) if kind == "resource" else None
            if row is not None and taken:  # the image stays, under the URL of another row that shows the same bytes
                body, digest = _body(data[place:end]), spell_digest("sha256", bytes.fromhex(row.sha256 or ""))
                moved[place] = writer.resource(row.url, content_type, body, date=row.fetched_at or "", digest=digest)
            elif row is not None or (kind != "resource" and not taken):
                moved[place] = writer.copy(data[place:end])
    _point(store, name, stem, moved, stones)
    storage.remove(path)
    return True


def _point(
    store: ImageStore, name: str, stem: str, moved: dict[int | None, tuple[int, int]], stones: Tombstones
) -> None:
    """Point each index row of the pack `name` at its new place, and rename the index part of that pack."""

    def point(row: ImageRecord) -> ImageRecord:
        if row.pack != name or row.offset not in moved:
            return row
        offset, length = moved[row.offset]
        return dataclasses.replace(row, pack=f"{stem}.warc", offset=offset, length=length)

    own = f"part-{name.removesuffix('.warc')}.parquet"
    for part in _parts(store):
        rewrite(part, ImageRecord, lambda row: point(redact(row, stones)), ("key",))
        folder, _, file = part.rpartition("/")
        if file == own:
            storage.write_bytes(storage.join(folder, f"part-{stem}.parquet"), storage.read_bytes(part))
            storage.remove(part)


def _is_gone(record: bytes, url: str, kind: str, stones: Tombstones) -> bool:
    """Return whether a record of a pack is about a taken-down URL, or about an image that was taken down by hash."""
    if stones.has_url(url):
        return True
    return kind == "metadata" and bool(stones.sha256) and json.loads(_body(record)).get("sha256") in stones.sha256


def _body(record: bytes) -> bytes:
    return record.partition(b"\r\n\r\n")[2][:-4]


def _places(path: str) -> list[tuple[int, int, str, str, str]]:
    """Return (offset, end offset, URL, WARC type, content type) of each record of a WARC."""
    found = []
    with storage.open_input(path) as handle:
        for offset, record in warc_records(handle):
            kind = record.headers.get("WARC-Type") or ""
            found.append(
                (-1 if offset is None else offset, url_of(record), kind, record.headers.get("Content-Type") or "")
            )
    ends = [*(place for place, *_ in found[1:]), *([storage.size(path)] if found else [])]
    if any(place < 0 or place >= end for (place, *_), end in zip(found, ends, strict=True)):
        raise InputError(
            "several records are in one gzip member, so none can be taken out",
            where=path,
            remedy="write each record as a gzip member of its own, as other tools do",
        )
    return [(place, end, url, kind, of) for (place, url, kind, of), end in zip(found, ends, strict=True)]


def warc_urls(path: str) -> list[str]:
    """Return the URL of each record of a WARC."""
    return [url for _, _, url, _, _ in _places(path)]


def purge_warc(path: str, work: str, stones: Tombstones) -> bool:
    """Write a WARC anew without taken-down records, and keep the fragments that were extracted from it.

    Fragments are named after the hash of their WARC, so they are renamed. Finished extract stages that list the old
    hash are removed: the next build writes one that lists the new hash. Return whether any record was removed.
    """
    if not path.endswith((".warc", ".warc.gz")):
        raise InputError("only .warc and .warc.gz can be purged", where=path, remedy="leave out --warc or convert it")
    records = _places(path)
    keep = [(place, end) for place, end, url, _, _ in records if not stones.has_url(url)]
    if len(keep) == len(records):
        return False
    whole = storage.read_bytes(path)
    data = b"".join(whole[place:end] for place, end in keep)
    lengths = itertools.accumulate((end - place for place, end in keep), initial=0)
    places = dict(zip((place for place, _ in keep), lengths, strict=False))
    old, new = (hashlib.sha256(content).hexdigest() for content in (whole, data))
    _rename_fragments(work, stem_of(old), stem_of(new), places)
    for stage, values in finished_stages(work, input_fragments.STAGE):
        if old in values["depends_on"]["inputs"]["warcs"]:
            storage.remove(stage.folder, recursive=True)
    storage.write_bytes(path, data)
    return True


def _rename_fragments(work: str, old: str, new: str, places: dict[int, int]) -> None:
    """Rename the fragments of a WARC. `places` maps old record offsets to new ones, for the notes on its images."""
    for stage in stage_folders(work, input_fragments.FOLDER):
        for kind in storage.folders(stage):
            folder = storage.join(stage, kind)
            for name in storage.listing(folder):
                if name.startswith(old):
                    source, target = storage.join(folder, name), storage.join(folder, new + name[len(old) :])
                    if kind == IMAGE_NOTES:
                        notes = [note for note in read_notes([source]) if note.offset in places]
                        write_notes(target, [dataclasses.replace(note, offset=places[note.offset]) for note in notes])
                    else:
                        storage.write_bytes(target, storage.read_bytes(source))
                    storage.remove(source)
