"""Image URLs -> image store: each URL is fetched once, inspected, and kept, rejected or dead; then its facts.

The frontier (wanted URLs that the store has no final outcome for) is split in lanes by registered domain, so that
two workers never hammer one host. A lane commits a pack and a part of the index every `checkpoint_images`
outcomes; a retried or resumed lane asks only for what no part holds.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import apache_beam as beam
from apache_beam.metrics import Metrics

from pipelines.dedup.images import hash_image
from pipelines.net.config import FetchConfig
from pipelines.net.crowd import fetch_all
from pipelines.net.fetched import Fetched
from pipelines.store.frontier import Wanted
from pipelines.store.images import ImageStore, pack_name
from pipelines.store.warc import WarcWriter
from schemas import storage
from schemas.images import ImageError, decode_rgb, opt_out_of_metadata, read_header
from schemas.records import ImageFacts, ImageRecord
from schemas.verdicts import Dead, Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesConfig:
    """How wanted images get into a store."""

    store: str
    """Folder of the image store."""
    fetch: FetchConfig
    lanes: int = 4
    """Lanes that are fetched side by side; a registered domain belongs to one lane."""
    checkpoint_images: int = 1_000
    """Outcomes a lane between two commits: what a kill can cost."""
    max_pixels: int = 89_478_485
    """Images that declare more pixels are rejected from their header."""


def inspect(data: bytes, max_pixels: int) -> tuple[str, int, int] | Rejected:
    """Return format, width and height from an image's header, or why it is not an image we store."""
    try:
        header = read_header(data)
    except ImageError as error:
        return Rejected(error.reason)
    if header.width * header.height > max_pixels:
        return Rejected("too_many_pixels", float(header.width * header.height), float(max_pixels))
    return header.format, header.width, header.height


@dataclass
class PackWriter:
    """Writes outcomes to packs and commits each with its part of the index."""

    store: ImageStore
    name: str
    generation: int
    limit: int
    max_pixels: int
    _known: dict[str, ImageRecord] = field(default_factory=dict)
    _records: list[ImageRecord] = field(default_factory=list)
    _pending: list[tuple[Wanted, Fetched | Rejected | Dead]] = field(default_factory=list)
    _part: int = 0

    def __post_init__(self) -> None:
        self._known = self.store.index().content()

    def add(self, wanted: Wanted, outcome: Fetched | Rejected | Dead) -> None:
        """Enter one outcome; commits when the checkpoint is full."""
        self._pending.append((wanted, outcome))
        if len(self._pending) >= self.limit:
            self.commit()

    def commit(self) -> None:
        """Close the pack, then write the part that points into it."""
        if not self._pending:
            return
        keys = "".join(wanted.key for wanted, _ in self._pending)
        pack = f"{pack_name((self.name, self._part, self.generation, keys))}.warc"
        records: list[ImageRecord] = []
        with storage.writing(self.store.path("packs", pack)) as handle:
            writer = WarcWriter(handle, compress=False)
            for wanted, outcome in self._pending:
                records.append(self._write(writer, pack, wanted, outcome))
        self.store.commit_part(self.generation, pack.removesuffix(".warc"), records)
        self._pending = []
        self._part += 1

    def _write(self, writer: WarcWriter, pack: str, wanted: Wanted, outcome: Fetched | Rejected | Dead) -> ImageRecord:
        if isinstance(outcome, Fetched):
            found = inspect(outcome.body, self.max_pixels)
            if not isinstance(found, Rejected):
                return self._write_image(writer, pack, wanted, outcome, found)
            outcome = found
        record = _without_body(wanted, outcome)
        writer.metadata(
            wanted.url, {"outcome": record.outcome, "reason": record.reason or "", "final": record.final}, date=""
        )
        return record

    def _write_image(
        self, writer: WarcWriter, pack: str, wanted: Wanted, fetched: Fetched, found: tuple[str, int, int]
    ) -> ImageRecord:
        kind, width, height = found
        sha256 = hashlib.sha256(fetched.body).hexdigest()
        known = self._known.get(sha256)
        if known is None:
            offset, length = writer.resource(wanted.url, f"image/{kind}", fetched.body, date=fetched.fetched_at)
        else:
            pack, offset, length = known.pack or pack, known.offset or 0, known.length or 0
        headers = {name.lower(): value for name, value in fetched.headers}
        record = ImageRecord(
            key=wanted.key,
            url=wanted.url,
            final_url=fetched.final_url,
            status=fetched.status,
            outcome="kept",
            sha256=sha256,
            bytes=len(fetched.body),
            width=width,
            height=height,
            format=kind,
            fetched_at=fetched.fetched_at,
            etag=headers.get("etag"),
            last_modified=headers.get("last-modified"),
            signals=fetched.signals,
            pack=pack,
            offset=offset,
            length=length,
        )
        self._known.setdefault(sha256, record)
        return record


def _without_body(wanted: Wanted, outcome: Rejected | Dead) -> ImageRecord:
    """Return the row of an outcome without a body: rejections are final, deaths may be tried again."""
    if isinstance(outcome, Rejected):
        return ImageRecord(key=wanted.key, url=wanted.url, outcome="rejected", reason=outcome.reason)
    return ImageRecord(key=wanted.key, url=wanted.url, outcome="dead", reason=outcome.error, final=False)


def fetch_lane(lane: int, wanted: list[Wanted], config: ImagesConfig, on_outcome: Callable[[str], None]) -> int:
    """Fetch one lane's URLs into the store; return how many outcomes were committed."""
    store = ImageStore(config.store)
    index = store.index()
    todo = {item.url: item for item in wanted if item.key not in index}
    writer = PackWriter(store, f"lane-{lane}", index.generation, config.checkpoint_images, config.max_pixels)

    def take(url: str, outcome: Fetched | Rejected | Dead) -> None:
        writer.add(todo[url], outcome)
        on_outcome("kept" if isinstance(outcome, Fetched) else "rejected" if isinstance(outcome, Rejected) else "dead")

    try:
        fetch_all(list(todo), config.fetch, kind="image", on_outcome=take)
    except KeyboardInterrupt:  # what was fetched so far is not asked again
        writer.commit()
        raise
    writer.commit()
    return len(todo)


def make_facts(data: bytes, record: ImageRecord) -> ImageFacts:
    """Return what is known of one image's bytes; one that does not decode is known by its error."""
    sha256, size = record.sha256 or "", len(data)
    try:
        rgb = decode_rgb(data)
    except ImageError as error:
        return ImageFacts(
            sha256=sha256,
            width=record.width or 0,
            height=record.height or 0,
            format=record.format or "",
            size=size,
            dhash="",
            phash="",
            grid=b"",
            gray_std=0.0,
            colour_range=0.0,
            error=error.reason,
        )
    hashes = hash_image(rgb)
    return ImageFacts(
        sha256=sha256,
        width=int(rgb.shape[1]),
        height=int(rgb.shape[0]),
        format=record.format or "",
        size=size,
        dhash=hashes.dhash,
        phash=hashes.phash,
        grid=hashes.grid,
        gray_std=hashes.gray_std,
        colour_range=hashes.colour_range,
        opt_out=opt_out_of_metadata(data),
    )


class _FetchLane(beam.DoFn):
    def __init__(self, config: ImagesConfig) -> None:
        self._config = config

    def process(self, lane: tuple[int, list[Wanted]]) -> Iterator[int]:
        yield fetch_lane(*lane, self._config, lambda outcome: Metrics.counter("images", outcome).inc())


class _MakeFacts(beam.DoFn):
    def __init__(self, config: ImagesConfig) -> None:
        self._config = config

    def setup(self) -> None:
        self._store = ImageStore(self._config.store)

    def process(self, batch: list[ImageRecord]) -> Iterator[int]:
        self._store.commit_facts([make_facts(self._store.read(record), record) for record in batch])
        Metrics.counter("images", "facts").inc(len(batch))
        yield len(batch)


@dataclass(kw_only=True, eq=False)
class FetchImages(beam.PTransform):
    """Lanes of wanted URLs -> outcomes committed a lane.

    Args:
      config: Store, fetching and checkpoints.
    """

    config: ImagesConfig

    def expand(self, lanes: beam.PCollection[tuple[int, list[Wanted]]]) -> beam.PCollection[int]:
        """Spread the lanes over workers and fetch each in one asyncio loop."""
        return lanes | "Spread lanes" >> beam.Reshuffle() | "Fetch a lane" >> beam.ParDo(_FetchLane(self.config))


@dataclass(kw_only=True, eq=False)
class MakeFacts(beam.PTransform):
    """Batches of stored images -> facts committed a batch.

    Args:
      config: Which store.
    """

    config: ImagesConfig

    def expand(self, batches: beam.PCollection[list[ImageRecord]]) -> beam.PCollection[int]:
        """Decode and measure each image once."""
        return batches | "Spread batches" >> beam.Reshuffle() | "Make facts" >> beam.ParDo(_MakeFacts(self.config))


def build_fetch(pipeline: beam.Pipeline, config: ImagesConfig, lanes: list[list[Wanted]]) -> beam.PCollection[int]:
    """Build the pipeline that fetches what is missing."""
    todo = [(number, lane) for number, lane in enumerate(lanes) if lane]
    return pipeline | "Lanes" >> beam.Create(todo) | "FetchImages" >> FetchImages(config=config)


def build_facts(pipeline: beam.Pipeline, config: ImagesConfig, batches: list[list[ImageRecord]]) -> object:
    """Build the pipeline that makes the missing facts."""
    return pipeline | "Images" >> beam.Create(batches) | "MakeFacts" >> MakeFacts(config=config)
