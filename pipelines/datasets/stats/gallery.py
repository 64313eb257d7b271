"""Samples of a dataset for its report: thumbnails as data: URIs, long texts shortened."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from corpusloom.schemas import layout, storage, tables
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.images.thumbnails import thumbnail
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import SidecarRow

TEXT_CHARACTERS = 220
"""Characters of a text, at most; a longer one is cut between two words."""
MOST_PIECES = 9
"""Texts and images of one sample, at most, since a page may have hundreds."""
MOST_PAIR_IMAGES = 4


@dataclass(frozen=True, slots=True)
class ShownSample:
    """One sample as the report shows it."""

    key: str
    url: str
    items: tuple[tuple[str, str], ...]
    """(kind, content) in reading order: kind is text or image; an image is a data: URI, empty if it does not decode."""


def shorten(text: str) -> str:
    """Return a text cut to TEXT_CHARACTERS between two words."""
    if len(text) <= TEXT_CHARACTERS:
        return text
    return text[:TEXT_CHARACTERS].rsplit(" ", 1)[0] + " …"


def gallery(dataset: str, manifest: Manifest, samples: int = 12) -> Iterator[ShownSample]:
    """Yield the first samples in order of keys, a random draw since keys are hashes; skip unreadable samples."""
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


def show(tar: str, row: SidecarRow, kind: str) -> ShownSample:
    """Read one sample from its tar and return it as it is shown."""
    members = {
        member.field: storage.read_bytes(tar, member.offset, member.offset + member.size) for member in row.members
    }
    items = _page_items(row.key, members) if kind == "interleaved" else _pair_items(row, members)
    if len(items) > MOST_PIECES:
        items = [*items[:MOST_PIECES], ("text", f"… and {len(items) - MOST_PIECES} more texts and images")]
    return ShownSample(row.key, row.page_url or row.url, tuple(items))


def _page_items(key: str, members: dict[str, bytes]) -> list[tuple[str, str]]:
    body = json.loads(members["json"])
    items = []
    for text, image in zip(body["texts"], body["images"], strict=True):
        data = members.get(image.removeprefix(f"{key}.")) if image else None
        picture = thumbnail(data) if data else None
        items.append(("text", shorten(text)) if text else ("image", picture or ""))
    return items


def _pair_items(row: SidecarRow, members: dict[str, bytes]) -> list[tuple[str, str]]:
    pictures = [data for field, data in members.items() if layout.extension_of(field) in layout.IMAGE_EXTENSIONS]
    items = [("image", thumbnail(data) or "") for data in pictures[:MOST_PAIR_IMAGES]]
    return [*items, ("text", shorten(row.caption or ""))]
