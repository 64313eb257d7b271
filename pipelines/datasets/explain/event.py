"""The outcome of one record in one stage, and what a user may name a record by."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from corpusloom.pipelines.store.tombstones import hide
from corpusloom.schemas import identity, layout
from corpusloom.schemas.urls.redaction import redacted

STAGES = ("scrape", "extract", "select", "images", "store", "clips", "shards", "regions", "forget")
"""Stages in the order in which events are listed."""
SHA256_DIGITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The outcome of one record in one stage."""

    stage: str
    unit: str
    key: str
    parent: str | None
    url: str | None
    outcome: str
    """kept, rejected or dead; not_fetched if no stage asked for the record; forgotten if it was taken down."""
    reason: str | None = None
    measured: float | None = None
    threshold: float | None = None
    scores: dict[str, float] | None = None
    note: str | None = None
    """Place of a kept sample, or why a record was not fetched, as text."""


@dataclass
class Wanted:
    """The record that is looked for. Sources add to it what they know before any of them yields events."""

    name: str
    """URL, key or sha256 as given."""
    keys: set[str] = field(default_factory=set)
    """Keys of the record and of records made from it; events of their children are listed too."""
    owners: set[str] = field(default_factory=set)
    """Keys of the pages that show the image; of their children only `occurrences` are listed."""
    occurrences: set[str] = field(default_factory=set)
    """Keys of the image's occurrences on these pages."""

    @classmethod
    def of(cls, name: str) -> "Wanted":
        """Return what a name says by itself."""
        return cls(name, keys_of(name))

    @property
    def urls(self) -> set[str]:
        """Return the texts that stand for the URL in tables: itself, or its placeholder after a take-down."""
        return {self.name, redacted(self.name), hide(self.name)}

    @property
    def sha256(self) -> str | None:
        """Return the name if it is the sha256 of an image."""
        return self.name if _is_hex(self.name, SHA256_DIGITS) else None

    @property
    def listed(self) -> set[str]:
        """Return the keys of all records whose own events are listed."""
        return self.keys | self.owners | self.occurrences


def keys_of(name: str) -> set[str]:
    """Return the keys of a name: itself if it is a key, else the page key and the image key of the URL."""
    if _is_hex(name, layout.KEY_DIGITS):
        return {name}
    return {key for url in (name, redacted(name)) for key in (identity.page_key(url), identity.image_key(url))}


def _is_hex(name: str, digits: int) -> bool:
    return len(name) == digits and not set(name) - set("0123456789abcdef")


class Source(Protocol):
    """A place that knows records: tables of a dataset, a crawl, a work folder, an image store."""

    def extend(self, wanted: Wanted) -> None:
        """Add the keys that this source knows for the name."""

    def events(self, wanted: Wanted) -> Iterator[Event]:
        """Yield the events of the record."""

    def names(self) -> Iterator[str]:
        """Yield the URLs and keys that this source knows, for near misses."""
