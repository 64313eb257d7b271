"""Datasets of several shards for the stream's tests, written through the pipelines' own tar writer."""

import json
from collections.abc import Mapping
from pathlib import Path

from pipelines.store import tars
from schemas import layout, tables
from schemas.identity import make_key
from schemas.manifest import Manifest, write_manifest
from schemas.records import FileEntry, Member, ShardEntry, SidecarRow


def write_dataset(
    folder: Path, samples: Mapping[str, Mapping[str, bytes]], *, kind: str = "pairs", shards: int = 4
) -> str:
    """Write samples (key -> members by field) as a dataset; return its path."""
    entries = []
    empty = FileEntry(name="x", sha256="", bytes=0)
    for index in range(shards):
        chosen = [(key, samples[key]) for key in sorted(samples) if layout.shard_of(key, shards) == index]
        if not chosen:
            continue
        stem = layout.shard_stem(index)
        written = tars.write_shard(str(folder / f"{stem}.tar"), chosen)
        rows = [
            SidecarRow(
                key=key,
                url=f"http://a.example/{key}",
                caption=samples[key].get("txt", b"").decode(),
                split="val" if key[-1] == "0" else "train",
                members=tuple(Member(field=f, offset=o, size=s, stored_sha256=h) for f, o, s, h in places),
            )
            for key, places in written.samples
        ]
        tables.write_records(str(folder / f"{stem}.parquet"), SidecarRow, rows, sort_by=("key",))
        names = (f"{stem}.tar", f"{stem}.parquet")
        tar, sidecar = (FileEntry(name=name, sha256="", bytes=0) for name in names)
        entries.append(ShardEntry(index=index, tar=tar, sidecar=sidecar, stats=empty, samples=len(rows)))
    manifest = Manifest(
        recipe="test", kind=kind, config="{}", inputs=(), shard_count=shards, samples=len(samples), counts=(),
        shards=tuple(entries), tables=(), digest=str(folder),
    )  # fmt: skip
    write_manifest(str(folder), manifest)
    return str(folder)


def pairs(count: int, name: str = "pair") -> dict[str, dict[str, bytes]]:
    """Return pairs whose image bytes are their number."""
    return {
        make_key(name, str(number)): {"jpg": str(number).encode(), "txt": f"text {number}".encode(), "json": b"{}"}
        for number in range(count)
    }


def pages(count: int) -> dict[str, dict[str, bytes]]:
    """Return pages of a text, an image, a text."""
    made = {}
    for number in range(count):
        key = make_key("page", str(number))
        body = {"texts": ["a", None, "b"], "images": [None, f"{key}.000.jpg", None]}
        made[key] = {"000.jpg": str(number).encode(), "json": json.dumps(body).encode()}
    return made
