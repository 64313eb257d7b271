"""Small datasets of pairs with tar, sidecar and manifest as the pipelines write them."""

import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import google_crc32c
import numpy as np

from corpusloom.schemas import tables
from corpusloom.schemas.identity import make_key
from corpusloom.schemas.manifest import Manifest, make_digest, write_manifest
from corpusloom.schemas.records import FileEntry, Member, ShardEntry, SidecarRow

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 70, 220), "yellow": (240, 220, 40)}


@dataclass(frozen=True, slots=True)
class Pair:
    image: bytes
    text: str
    split: str = "train"
    extension: str = "jpg"


def coloured_pairs(count: int, split: str = "train", first: int = 0) -> list[Pair]:
    """Return images of squares and discs in four colours, each with its text."""
    return [_coloured_pair(number, split) for number in range(first, first + count)]


def _coloured_pair(number: int, split: str) -> Pair:
    rng = np.random.default_rng(number)
    name = list(COLOURS)[number % 4]
    shape = ("square", "disc")[number // 4 % 2]
    canvas = np.full((64, 72, 3), rng.integers(120, 256), np.uint8)
    x, y, side = int(rng.integers(24, 48)), int(rng.integers(24, 40)), int(rng.integers(12, 20))
    if shape == "disc":
        cv2.circle(canvas, (x, y), side, COLOURS[name], -1)
    else:
        cv2.rectangle(canvas, (x - side, y - side), (x + side, y + side), COLOURS[name], -1)
    return Pair(encode_jpeg(canvas), f"a {name} {shape}, number {number % 7}", split)


def encode_jpeg(rgb: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".jpg", rgb[:, :, ::-1])[1].tobytes())


def write_pairs(folder: Path, pairs: Sequence[Pair]) -> str:
    """Write one shard of pairs and return the dataset's path."""
    keyed = sorted((make_key("pair", str(number), pair.text), pair) for number, pair in enumerate(pairs))
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with tarfile.open(folder / "00000.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, pair in keyed:
            fields = {pair.extension: pair.image, "json": b"{}", "txt": pair.text.encode()}
            members = tuple(_add(tar, key, field, data) for field, data in sorted(fields.items()))
            rows.append(
                SidecarRow(
                    key=key,
                    url=f"http://x/{key}",
                    caption=pair.text,
                    text_length=len(pair.text),
                    images=1,
                    split=pair.split,
                    members=members,
                )
            )
    return close_shard(folder, "pairs", rows)


def close_shard(folder: Path, kind: str, rows: Sequence[SidecarRow]) -> str:
    """Write sidecar, statistics and manifest of 00000.tar; return the dataset's path."""
    tables.write_records(str(folder / "00000.parquet"), SidecarRow, rows, sort_by=["key"])
    (folder / "00000_stats.json").write_text("{}")
    entries = [_entry(folder, f"00000{end}") for end in (".tar", ".parquet", "_stats.json")]
    shards = (ShardEntry(index=0, tar=entries[0], sidecar=entries[1], stats=entries[2], samples=len(rows)),)
    manifest = Manifest(
        recipe="test",
        kind=kind,
        config="{}",
        inputs=(),
        shard_count=1,
        samples=len(rows),
        counts=(),
        shards=shards,
        tables=(),
        digest=make_digest("{}", shards, ()),
    )
    write_manifest(str(folder), manifest)
    return str(folder)


def _add(tar: tarfile.TarFile, key: str, field: str, data: bytes) -> Member:
    info = tarfile.TarInfo(f"{key}.{field}")
    info.size = len(data)
    offset = tar.offset + tarfile.BLOCKSIZE
    tar.addfile(info, io.BytesIO(data))
    return Member(
        field=field,
        offset=offset,
        size=len(data),
        stored_sha256=hashlib.sha256(data).hexdigest(),
        crc32c=google_crc32c.value(data),
    )


def _entry(folder: Path, name: str) -> FileEntry:
    data = (folder / name).read_bytes()
    return FileEntry(name=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
