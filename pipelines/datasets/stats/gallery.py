"""A few samples of a dataset to look at: thumbnails inlined, texts shortened."""

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from corpusloom.schemas import layout, storage, tables
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import SidecarRow

THUMBNAIL = 160
TEXT_CHARACTERS = 220
MOST_PIECES = 9
"""Texts and images shown of one sample: a page may have hundreds."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One sample as the report shows it: (kind, content) with kind text or image (a data: URI)."""

    key: str
    url: str
    items: tuple[tuple[str, str], ...]


def thumbnail(data: bytes) -> str | None:
    """Return a small JPEG of an image as a data: URI; None for one that does not decode."""
    try:
        picture = Image.fromarray(decode_rgb(data))
    except ImageError:
        return None
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def shorten(text: str) -> str:
    """Cut a text at a word near the limit."""
    if len(text) <= TEXT_CHARACTERS:
        return text
    return text[:TEXT_CHARACTERS].rsplit(" ", 1)[0] + " …"


def gallery(dataset: str, manifest: Manifest, samples: int = 12) -> Iterator[Shown]:
    """Yield the first samples in order of their keys: a fair draw, since keys are hashes."""
    left = samples
    for shard in manifest.shards:
        tar = storage.join(dataset, shard.tar.name)
        for row in tables.read_records(storage.join(dataset, shard.sidecar.name), SidecarRow):
            if left <= 0:
                return
            left -= 1
            try:
                yield show(tar, row, manifest.kind)
            except LoomError:
                continue


def show(tar: str, row: SidecarRow, kind: str) -> Shown:
    """Return one sample as it is shown."""
    members = {
        member.field: storage.read_bytes(tar, member.offset, member.offset + member.size) for member in row.members
    }
    body = json.loads(members["json"])
    items: list[tuple[str, str]] = []
    if kind == "interleaved":
        for text, image in zip(body["texts"], body["images"], strict=True):
            data = members.get(image.removeprefix(f"{row.key}.")) if image else None
            picture = thumbnail(data) if data else None
            items.append(("text", shorten(text)) if text else ("image", picture or ""))
    else:
        pictures = [data for field, data in members.items() if layout.extension_of(field) in layout.IMAGE_EXTENSIONS]
        items += [("image", thumbnail(data) or "") for data in pictures[:4]]
        items.append(("text", shorten(row.caption or "")))
    if len(items) > MOST_PIECES:
        items = [*items[:MOST_PIECES], ("text", f"… and {len(items) - MOST_PIECES} more pieces")]
    return Shown(row.key, row.page_url or row.url, tuple(items))
