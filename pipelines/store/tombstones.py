"""Tombstones: hashes of records that were taken down, and the redaction of rows about these records.

Tombstones are an input of every build that uses the image store. They are applied when a WARC is extracted (text and
URLs are never written), before each fetch, and again in the shards. Redacted heads keep their hashes and take part in
deduplication, so that no duplicate replaces a record that was taken down.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from corpusloom.schemas import identity, storage
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.records import Head, ImageRecord, ImageRef, LedgerRow, Page, Pair, ProvenanceRow
from corpusloom.schemas.urls.redaction import redacted

FILE = "tombstones.json"
HIDDEN = "forgotten:"
"""Prefix of a redacted URL. A hash of the URL follows, so that its occurrences can still be counted."""


def domain_hash(domain: str) -> str:
    """Return the tombstone of a domain and its subdomains."""
    return hashlib.sha256(f"domain\n{domain.lower().removeprefix('*.').strip('.')}".encode()).hexdigest()


def hide(url: str) -> str:
    """Return the placeholder of a redacted URL."""
    return url if url.startswith(HIDDEN) else HIDDEN + identity.make_key("url", url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstones:
    """Hashes of the records, domains and images that were taken down."""

    keys: frozenset[str] = frozenset()
    """Keys of pages, images and pairs."""
    domains: frozenset[str] = frozenset()
    """Hashes of domains."""
    sha256: frozenset[str] = frozenset()
    """sha256 of images as fetched."""

    def __bool__(self) -> bool:
        return bool(self.keys or self.domains or self.sha256)

    def __or__(self, other: "Tombstones") -> "Tombstones":
        return Tombstones(
            keys=self.keys | other.keys, domains=self.domains | other.domains, sha256=self.sha256 | other.sha256
        )

    def digest(self) -> str:
        """Return a hash of all tombstones, for the fingerprint of a build."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Return the tombstones as sorted JSON, so that equal tombstones give equal text."""
        return json.dumps(self.to_plain(), indent=1, sort_keys=True) + "\n"

    def to_plain(self) -> dict[str, list[str]]:
        """Return the tombstones as sorted lists."""
        return {field.name: sorted(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def has_url(self, url: str) -> bool:
        """Return whether a URL was taken down as a page, as an image, or with its domain."""
        if not self or not url or url.startswith(HIDDEN):
            return False
        return any(identity.page_key(name) in self.keys for name in _names(url)) or self.has_image(url)

    def has_image(self, url: str) -> bool:
        """Return whether an image's URL or its domain was taken down."""
        if not self or not url or url.startswith(HIDDEN):
            return False
        return any(identity.image_key(name) in self.keys for name in _names(url)) or self._has_host(url)

    def _has_host(self, url: str) -> bool:
        labels = identity.host_of(url).split(".") if self.domains else []
        return any(domain_hash(".".join(labels[place:])) in self.domains for place in range(len(labels)))


def _names(url: str) -> set[str]:
    """Return a URL as it was fetched and as datasets show it; a request for a take-down may name either."""
    return {url, redacted(url)}


def read(store: str) -> Tombstones:
    """Read the tombstones of an image store; empty if nothing was ever taken down."""
    path = storage.join(store, FILE)
    if not storage.exists(path):
        return Tombstones()
    remedy = "restore it from a backup; without it, builds would include records that were taken down"
    values = json_files.read_object(path, remedy, {"keys": list, "domains": list, "sha256": list})
    return Tombstones(**{name: frozenset(map(str, values[name])) for name in ("keys", "domains", "sha256")})


def write(store: str, tombstones: Tombstones) -> None:
    """Write the tombstones of an image store, atomically."""
    storage.write_bytes(storage.join(store, FILE), json_files.seal(tombstones.to_plain()))


def is_taken_down(row: Any, stones: Tombstones) -> bool:
    """Return whether a whole row was taken down; single images of a page do not count."""
    match row:
        case Page():
            return row.key in stones.keys or stones.has_url(row.url) or stones.has_url(row.canonical_url)
        case Pair():
            return row.key in stones.keys or stones.has_url(row.page_url) or stones.has_image(row.image_url)
        case Head():
            return row.key in stones.keys or stones.has_url(row.url)
        case ImageRecord():
            return row.key in stones.keys or (row.sha256 or "") in stones.sha256 or stones.has_image(row.url)
    return row.key in stones.keys or stones.has_url(row.url or "")


def redact(row: Any, stones: Tombstones) -> Any:
    """Return a row without the parts that were taken down: the same row if there are none, None if nothing is left."""
    match row:
        case Page():
            return None if is_taken_down(row, stones) else _redact_images(row, stones)
        case Pair():
            return None if is_taken_down(row, stones) else row
        case Head():
            return _redact_head(row, stones)
        case LedgerRow():
            return dataclasses.replace(row, url=None) if is_taken_down(row, stones) else row
        case ProvenanceRow():
            return _redact_provenance(row) if is_taken_down(row, stones) else row
        case ImageRecord():
            return _redact_record(row) if is_taken_down(row, stones) else row
    return row


def _redact_images(page: Page, stones: Tombstones) -> Page:
    hidden = [block.image is not None and stones.has_image(block.image.url) for block in page.blocks]
    meta = tuple(image for image in page.meta_images if not stones.has_image(image.url))
    if not any(hidden) and meta == page.meta_images:
        return page
    blocks = tuple(
        dataclasses.replace(block, image=ImageRef(url=hide(block.image.url))) if hide_it and block.image else block
        for block, hide_it in zip(page.blocks, hidden, strict=True)
    )
    return dataclasses.replace(page, blocks=blocks, meta_images=meta)


def _redact_head(row: Head, stones: Tombstones) -> Head:
    if is_taken_down(row, stones):
        return redact_head(row)
    images = tuple(hide(url) if stones.has_image(url) else url for url in row.images)
    return row if images == row.images else dataclasses.replace(row, images=images)


def redact_head(row: Head) -> Head:
    """Return a head with its URLs redacted and its hashes kept, so that decisions do not change."""
    return dataclasses.replace(row, url="", images=tuple(map(hide, row.images)))


def _redact_provenance(row: ProvenanceRow) -> ProvenanceRow:
    return dataclasses.replace(row, url=None, record_id=None, signals=(), message=None, traceback=None)


def _redact_record(row: ImageRecord) -> ImageRecord:
    return dataclasses.replace(
        row,
        url="",
        final_url=None,
        etag=None,
        last_modified=None,
        fetched_at=None,
        signals=(),
        pack=None,
        offset=None,
        length=None,
    )
