"""Copies images from WARCs and ARCs into the store, instead of fetching them; extraction notes where they are."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.permissions.opt_outs import opt_out, signals_of_headers
from corpusloom.pipelines.net.refusals import Policy
from corpusloom.pipelines.store.images.content_table import ContentTable
from corpusloom.pipelines.store.images.outcomes import FetchedImage, ImageOutcome, ImageUrl
from corpusloom.pipelines.store.images.packs import OutcomeCounts, PackWriter
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.warc.response_at import read_response_at
from corpusloom.pipelines.store.warc.revisits import CollectionRevisitIndex
from corpusloom.schemas import tables
from corpusloom.schemas.verdicts import Dead, Rejected

NOTE_ORDER = ("key", "offset")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarcImage:
    """An image in a WARC, and its place."""

    VERSION: ClassVar[int] = 1
    key: str
    """Image key of the URL."""
    url: str
    warc: str
    """Path of the WARC or ARC."""
    offset: int
    """Offset of the record in bytes."""


def write_notes(path: str, notes: Iterable[WarcImage]) -> None:
    """Write the notes of one WARC, sorted."""
    tables.write_records(path, WarcImage, notes, sort_by=NOTE_ORDER)


def read_notes(paths: Iterable[str]) -> Iterator[WarcImage]:
    """Yield the images of WARCs from their notes."""
    for path in paths:
        yield from tables.read_records(path, WarcImage)


def take_images(
    notes: Iterable[str],
    wanted: Iterable[ImageUrl],
    store: ImageStore,
    policy: Policy,
    max_pixels: int,
    across: Sequence[str] = (),
) -> OutcomeCounts:
    """Copy wanted images without an outcome from WARCs into the store; return the counts of their outcomes.

    If a URL has several copies, the first whole one in the first WARC (by name) is used. A URL without a whole copy is
    fetched later.

    Args:
      notes: Paths of the notes on the images that WARCs hold.
      wanted: Images to copy.
      store: The store to write to.
      policy: Settings that may refuse an image: its maximum number of bytes, the opt-outs that are honoured.
      max_pixels: Maximum number of pixels of an image.
      across: WARCs to which revisits may refer, besides their own.
    """
    index = store.index()
    current = index.under(policy)
    missing = {item.key: item for item in wanted if item.key not in current}
    if not missing:
        return OutcomeCounts()
    generation, content = index.next_generation(current, missing), ContentTable.of(index.stored())
    writer = PackWriter(store, "warcs", generation, max_pixels, content=content, policy=policy)
    places = sorted((note for note in read_notes(notes) if note.key in missing), key=_place)
    limit = policy.fetch.max_image_bytes
    others = CollectionRevisitIndex(across, limit)
    for warc, images in itertools.groupby(places, lambda note: note.warc):
        originals = CollectionRevisitIndex((warc,), limit), others
        for note in images:
            outcome = _outcome(note, policy.fetch, originals) if note.key in missing else None
            if outcome is not None:
                writer.add(missing.pop(note.key), outcome)
    writer.commit()
    return writer.committed


def _place(note: WarcImage) -> tuple[str, str, int]:
    return note.warc.rsplit("/", 1)[-1], note.warc, note.offset


def _outcome(note: WarcImage, fetch: FetchConfig, originals: Sequence[CollectionRevisitIndex]) -> ImageOutcome | None:
    """Return the whole image that a WARC holds, or the rejection by an opt-out; None if the record cannot be used."""
    answer = read_response_at(note.warc, note.offset, fetch.max_image_bytes, originals)
    if isinstance(answer, Rejected | Dead):
        return None
    headers, body, date = answer
    fields = {name.lower(): value for name, value in headers}
    signals = signals_of_headers(headers, seen_at=date)
    return opt_out(signals, fetch.honour, unit="image") or FetchedImage(
        body=body,
        final_url=note.url,
        status=200,
        fetched_at=date,
        etag=fields.get("etag"),
        last_modified=fields.get("last-modified"),
        signals=signals,
    )
