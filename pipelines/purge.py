"""What was taken down, removed from where it already lies: stage files, image store, WARCs."""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

from fastwarc.warc import ArchiveIterator

from pipelines.store.images import ImageStore
from pipelines.store.ledger import LEDGER_ORDER, PROVENANCE_ORDER
from pipelines.store.stages import stem_of
from pipelines.store.tombstones import Tombstones, empty_head, names, scrub
from pipelines.store.warc import WarcWriter
from schemas import storage, tables
from schemas.errors import InputError
from schemas.records import Candidate, ImageRecord, LedgerRow, Page, Pair, ProvenanceRow

APPLIED = "tombstones.applied"
"""In a work folder: the digest of the tombstones that its files were purged of."""

Change = Callable[[Any], Any]
HEAD_ORDER = ("key", "parent")
RECORD_ROWS = 512
"""Rows a row group of the extract stage's fragments: a shard reads only the groups of its range."""


def rewrite(path: str, cls: type, change: Change, sort_by: tuple[str, ...], group: int = tables.ROW_GROUP_ROWS) -> bool:
    """Rewrite a table's rows, atomically, if `change` changes any; None removes a row. Return whether it did."""
    from schemas import arrow

    before: list[Any] = list(tables.read_records(path, cls))
    after = [change(row) for row in before]
    if all(new is old for new, old in zip(after, before, strict=True)):
        return False
    table = arrow.to_table(cls, [row for row in after if row is not None])
    tables.write_table(path, table, sort_by=sort_by, row_group_rows=group)
    return True


def purge_work(work: str, stones: Tombstones) -> None:
    """Purge the stage files of a work folder, once for each set of tombstones.

    The heads go first and the records last: a purge that was killed finds again what it has to remove.
    """
    marker = storage.join(work, APPLIED)
    digest = stones.digest().encode()
    if not stones or (storage.exists(marker) and storage.read_bytes(marker) == digest):
        return
    stages = _folders(storage.join(work, "stages"))
    gone = named_records(
        [path for stage in stages if "/warcs-" in stage for path in _files(storage.join(stage, "records"))], stones
    )

    def head(row: Candidate) -> Candidate:
        return empty_head(row) if row.url and (row.key, row.parent) in gone else scrub(row, stones)

    for stage in stages:
        for kind in ("decisions", "candidates"):
            _each(storage.join(stage, kind), Candidate, head, HEAD_ORDER)
    for stage in stages:
        for kind, cls, order in (("ledger", LedgerRow, LEDGER_ORDER), ("provenance", ProvenanceRow, PROVENANCE_ORDER)):
            _each(storage.join(stage, kind), cls, lambda row: scrub(row, stones), order)
        if "/warcs-" in stage:
            for path in _files(storage.join(stage, "records")):
                rewrite(path, _record_class(path), lambda row: scrub(row, stones), HEAD_ORDER, RECORD_ROWS)
    storage.write_bytes(marker, digest)


def named_records(fragments: list[str], stones: Tombstones) -> set[tuple[str, str]]:
    """Return key and parent of every record of these fragments that is taken down as a whole."""
    rows = (row for path in fragments for row in tables.read_records(path, _record_class(path)))
    return {(row.key, row.parent) for row in rows if names(row, stones)}


def _record_class(path: str) -> type[Any]:
    with tables.open_parquet(path) as file:
        return Pair if "image_url" in file.schema_arrow.names else Page


def _folders(folder: str) -> list[str]:
    fs, inner = storage.filesystem(folder)
    if not fs.exists(inner):
        return []
    found = [entry["name"] for entry in fs.ls(inner, detail=True) if entry["type"] == "directory"]
    return [storage.join(folder, name.rstrip("/").rsplit("/", 1)[-1]) for name in sorted(found)]


def _files(folder: str) -> list[str]:
    return [storage.join(folder, name) for name in storage.listing(folder, ".parquet")]


def _each(folder: str, cls: type, change: Change, sort_by: tuple[str, ...]) -> None:
    for path in _files(folder):
        rewrite(path, cls, change, sort_by)


def purge_store(folder: str, stones: Tombstones) -> None:
    """Remove images that were taken down from the packs, and their URLs from the index; facts hold hashes only."""
    store = ImageStore(folder)
    parts = [store.path("index", f"{number:05d}", name) for number in store.generations() for name in
             storage.listing(store.path("index", f"{number:05d}"), ".parquet")]  # fmt: skip
    rows = [row for path in parts for row in tables.read_records(path, ImageRecord)]
    for name in storage.listing(store.path("packs"), ".warc"):
        _purge_pack(store, name, rows, parts, stones)
    for path in parts:
        rewrite(path, ImageRecord, lambda row: scrub(row, stones), ("key",))


def _purge_pack(store: ImageStore, name: str, rows: list[ImageRecord], parts: list[str], stones: Tombstones) -> None:
    """Write a pack anew without what was taken down, point the index at it, delete the old one."""
    path = store.path("packs", name)
    wanted = {row.offset: row for row in reversed(rows) if row.pack == name and not names(row, stones)}
    records = _places(path)
    if not any(
        stones.has_url(url) or (kind == "resource" and place not in wanted) for place, _, url, kind, _ in records
    ):
        return
    made = f"{hashlib.blake2b(f'{name} {stones.digest()}'.encode(), digest_size=8).hexdigest()}.warc"
    moved: dict[int | None, tuple[int, int]] = {}
    with storage.writing(store.path("packs", made)) as handle:
        writer = WarcWriter(handle, compress=False)
        for place, end, url, kind, content_type in records:
            row = wanted.get(place)
            data = storage.read_bytes(path, place, end)
            if kind == "resource" and row is not None:
                body = data.partition(b"\r\n\r\n")[2][:-4]
                moved[place] = writer.resource(row.url, content_type, body, date=row.fetched_at or "")
            elif kind != "resource" and not stones.has_url(url):
                writer.copy(data)

    def point(row: ImageRecord) -> ImageRecord:
        if row.pack != name or row.offset not in moved:
            return row
        offset, length = moved[row.offset]
        return dataclasses.replace(row, pack=made, offset=offset, length=length)

    for part in parts:
        rewrite(part, ImageRecord, lambda row: point(scrub(row, stones)), ("key",))
    storage.remove(path)


def _places(path: str) -> list[tuple[int, int, str, str, str]]:
    """Return of each record of a WARC its first byte, the byte after it, its URL, kind and content type."""
    found = []
    with storage.open_input(path) as handle:
        for record in ArchiveIterator(handle, parse_http=False):
            url = (record.headers.get("WARC-Target-URI") or "").strip("<>")
            kind = record.headers.get("WARC-Type") or ""
            found.append((int(record.stream_pos), url, kind, record.headers.get("Content-Type") or ""))
    ends = [*(place for place, *_ in found[1:]), *([storage.size(path)] if found else [])]
    return [(place, end, url, kind, of) for (place, url, kind, of), end in zip(found, ends, strict=True)]


def purge_warc(path: str, work: str, stones: Tombstones) -> bool:
    """Write one of our own WARCs anew without the records that were taken down; what was extracted from it stays.

    Fragments are named by the hash of their WARC, so they are renamed. Return whether anything was removed.
    """
    if not path.endswith((".warc", ".warc.gz")):
        raise InputError("only .warc and .warc.gz can be purged", where=path, remedy="leave out --warc, or convert it")
    records = _places(path)
    keep = [(place, end) for place, end, url, _, _ in records if not stones.has_url(url)]
    if len(keep) == len(records):
        return False
    old, new = hashlib.sha256(), hashlib.sha256()
    with storage.open_input(path) as handle:
        while chunk := handle.read(1 << 20):
            old.update(chunk)
    whole = storage.read_bytes(path)
    data = b"".join(whole[place:end] for place, end in keep)
    new.update(data)
    _rename_fragments(work, stem_of(old.hexdigest()), stem_of(new.hexdigest()))
    storage.write_bytes(path, data)
    return True


def _rename_fragments(work: str, old: str, new: str) -> None:
    for stage in _folders(storage.join(work, "stages")):
        if "/warcs-" not in stage:
            continue
        for folder in _folders(stage):
            for name in storage.listing(folder):
                if name.startswith(old):
                    source = storage.join(folder, name)
                    storage.write_bytes(storage.join(folder, new + name[len(old) :]), storage.read_bytes(source))
                    storage.remove(source)
