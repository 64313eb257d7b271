"""Images that WARCs hold themselves: noted while their pages are read, taken into the store instead of fetched."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from corpusloom.pipelines.net.permissions.opt_outs import opt_out, signals_of_headers
from corpusloom.pipelines.store.images.outcomes import FetchedImage, ImageOutcome, ImageUrl
from corpusloom.pipelines.store.images.packs import Ended, PackWriter
from corpusloom.pipelines.store.images.store import ContentTable, ImageStore
from corpusloom.pipelines.store.warc.reading import read_response_at
from corpusloom.schemas import tables
from corpusloom.schemas.verdicts import Dead, Rejected

NOTE_ORDER = ("key", "offset")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarcImage:
    """Where a WARC holds an image."""

    VERSION: ClassVar[int] = 1
    key: str
    """The image key of its URL."""
    url: str
    warc: str
    """Path of the WARC."""
    offset: int


def write_notes(path: str, notes: Iterable[WarcImage]) -> None:
    """Write the images that one WARC holds, sorted."""
    tables.write_records(path, WarcImage, notes, sort_by=NOTE_ORDER)


def read_notes(paths: Iterable[str]) -> Iterator[WarcImage]:
    """Yield the images that WARCs hold, from their notes."""
    for path in paths:
        yield from tables.read_records(path, WarcImage)


def take_images(
    notes: Iterable[str],
    wanted: Iterable[ImageUrl],
    store: ImageStore,
    honour: tuple[str, ...],
    limit: int,
    max_pixels: int,
) -> Ended:
    """Put wanted images without an outcome into the store from the WARCs that hold them; return how they ended.

    Of several copies of a URL the first of the first WARC (by name) counts; one that is of no use is left to the fetch.
    """
    index = store.index()
    missing = {item.key: item for item in wanted if item.key not in index}
    if not missing:
        return Ended()
    writer = PackWriter(store, "warcs", index.generation, max_pixels, content=ContentTable.of(index.stored()))
    for note in sorted(read_notes(notes), key=lambda note: (note.key, note.warc.rsplit("/", 1)[-1], note.offset)):
        item = missing.get(note.key)
        outcome = _outcome(note, honour, limit) if item is not None else None
        if item is not None and outcome is not None:
            writer.add(item, outcome)
            del missing[note.key]
    writer.commit()
    return writer.ended


def _outcome(note: WarcImage, honour: tuple[str, ...], limit: int) -> ImageOutcome | None:
    """Return what a WARC's answer gives: the image, its owner's refusal, or nothing."""
    answer = read_response_at(note.warc, note.offset, limit)
    if isinstance(answer, Rejected | Dead):
        return None
    headers, body, date = answer
    fields = {name.lower(): value for name, value in headers}
    signals = signals_of_headers(headers, seen_at=date)
    return opt_out(signals, honour, unit="image") or FetchedImage(
        body=body,
        final_url=note.url,
        status=200,
        fetched_at=date,
        etag=fields.get("etag"),
        last_modified=fields.get("last-modified"),
        signals=signals,
    )
