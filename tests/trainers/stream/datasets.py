"""Small datasets for tests: tars, sidecars and a manifest, written by the code of the builds."""

import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from corpusloom.pipelines.store.dataset.tars import MemberPlace, write_shard
from corpusloom.schemas import arrow, layout, tables
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.headers import read_header
from corpusloom.schemas.manifest import Manifest, make_digest, read_manifest, write_manifest
from corpusloom.schemas.records import FileEntry, Member, ShardEntry, SidecarRow


def make_image(number: int = 0, size: tuple[int, int] = (48, 40), format: str = "JPEG") -> bytes:
    """Return an encoded image of a size (width, height); each number gives a different image."""
    rng = np.random.default_rng(number)
    small = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(sink, format)
    return sink.getvalue()


def make_pairs(count: int, start: int = 0) -> list[tuple[str, dict[str, bytes]]]:
    """Return `count` pairs of a small JPEG, a text and a JSON, with keys spread over all shards."""
    return [
        (
            hashlib.md5(str(number).encode()).hexdigest(),
            {
                "jpg": make_image(number),
                "txt": f"picture {number}".encode(),
                "json": json.dumps({"n": number}).encode(),
            },
        )
        for number in range(start, start + count)
    ]


def _member(key: str, fields: Mapping[str, bytes], written: MemberPlace) -> Member:
    field, offset, length, digest, checksum = written
    size: tuple[int | None, int | None] = (None, None)
    with contextlib.suppress(ImageError):
        size = read_header(fields[field]).displayed
    identity = digest if layout.extension_of(field) in layout.IMAGE_EXTENSIONS else None
    return Member(
        field=field, offset=offset, size=length, sha256=identity,
        stored_sha256=digest, width=size[0], height=size[1], crc32c=checksum,
    )  # fmt: skip


def _entry(name: str, data: bytes, rows: int | None = None) -> FileEntry:
    return FileEntry(name=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), rows=rows)


def write_one(
    folder: Path, index: int, samples: list[tuple[str, dict[str, bytes]]], split_of: Callable[[str], str]
) -> ShardEntry:
    """Write one shard with its sidecar and statistics."""
    stem = layout.shard_stem(index)
    shard = write_shard(str(folder / f"{stem}.tar"), samples)
    rows = []
    for (key, fields), (_, members) in zip(samples, shard.samples, strict=True):
        listed = tuple(_member(key, fields, member) for member in members)
        image = next((member for member in listed if member.sha256), None)
        text = fields.get("txt", b"").decode("utf-8", "replace")
        rows.append(
            SidecarRow(
                key=key, url=f"http://example.com/{key}", caption=text or None, text_length=len(text),
                images=sum(1 for member in listed if member.sha256), split=split_of(key), members=listed,
                width=image.width if image else None, height=image.height if image else None,
                sha256=image.sha256 if image else None, stored_sha256=image.stored_sha256 if image else None,
            )
        )  # fmt: skip
    data = tables.write_records(str(folder / f"{stem}.parquet"), SidecarRow, rows, sort_by=["key"])
    stats = json.dumps({"count": len(rows), "successes": len(rows)}).encode()
    (folder / f"{stem}_stats.json").write_bytes(stats)
    digest = tables.rows_digest(arrow.to_table(SidecarRow, rows), sort_by=["key"])
    sidecar = FileEntry(
        name=f"{stem}.parquet", sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), rows=len(rows),
        rows_digest=digest,
    )  # fmt: skip
    tar = FileEntry(name=f"{stem}.tar", sha256=shard.sha256, bytes=shard.bytes)
    return ShardEntry(
        index=index, tar=tar, sidecar=sidecar, stats=_entry(f"{stem}_stats.json", stats), samples=len(rows)
    )


def as_version_1(path: str) -> str:
    """Rewrite a dataset as format version 1 had it: without a crc32c of the members. Return its path."""
    manifest, shards = read_manifest(path), []
    for shard in manifest.shards:
        where = f"{path}/{shard.sidecar.name}"
        table = tables.read_table(where)
        members = table.schema.field("members")
        narrow = pa.struct([field for field in members.type.value_type if field.name != "crc32c"])
        older = pa.list_(pa.field("item", narrow, nullable=False))
        plain = [[{name: m[name] for name in narrow.names} for m in row] for row in table["members"].to_pylist()]
        table = table.drop_columns(["members"]).append_column("members", pa.array(plain, older))
        metadata = {**table.schema.metadata, b"corpusloom.version": b"1"}
        data = tables.write_table(where, table.replace_schema_metadata(metadata), sort_by=["key"])
        digest = hashlib.sha256(data).hexdigest()
        shards.append(replace(shard, sidecar=replace(shard.sidecar, sha256=digest, bytes=len(data))))
    write_manifest(path, replace(manifest, format_version=1, shards=tuple(shards)))
    return path


def make_dataset(
    folder: Path | str,
    kind: str,
    samples: Iterable[tuple[str, dict[str, bytes]]],
    *,
    shards: int = 4,
    split_of: Callable[[str], str] = lambda key: "train",
) -> str:
    """Write a dataset of `kind` from (key, {field: bytes}) samples; keys are 32 hex digits. Return its path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[int, list[tuple[str, dict[str, bytes]]]] = {}
    for key, fields in sorted(samples, key=lambda sample: sample[0]):
        parts.setdefault(layout.shard_of(key, shards), []).append((key, fields))
    entries = tuple(write_one(folder, index, part, split_of) for index, part in sorted(parts.items()))
    sizes = {entry.tar.name: entry.samples for entry in entries}
    (folder / layout.SIZES).write_text(json.dumps(sizes, sort_keys=True))
    manifest = Manifest(
        recipe="test", kind=kind, config="{}", inputs=(), shard_count=shards, samples=sum(sizes.values()), counts=(),
        shards=entries, tables=(), digest=make_digest("{}", entries, ()),
    )  # fmt: skip
    write_manifest(str(folder), manifest)
    return str(folder)
