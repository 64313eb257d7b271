"""Image URLs -> image store: each URL is fetched once, inspected, and kept, rejected or dead; then its facts.

The frontier (wanted URLs that the store has no outcome for) lies in lanes by registered domain, so that two workers
never hammer one host. A lane commits a pack and a part of the index every `checkpoint` outcomes; a retried or resumed
lane asks only for what no part holds.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import apache_beam as beam

from pipelines import metrics
from pipelines.img2dataset_engine import fetch_by_img2dataset
from pipelines.net.config import FetchConfig
from pipelines.net.crowd import fetch_all
from pipelines.net.fetched import Fetched
from pipelines.store.blocklists import Blocklist
from pipelines.store.facts import facts_pool, map_facts
from pipelines.store.frontier import Lane, Wanted, read_lane
from pipelines.store.images import ContentTable, ImageStore
from pipelines.store.packs import Checkpoint, Ended, Outcome, PackWriter, Unchanged, answer_of
from schemas.records import ImageRecord
from schemas.verdicts import Dead

STAGE = "images"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesConfig:
    """How wanted images get into a store."""

    store: str
    """Folder of the image store."""
    fetch: FetchConfig
    lanes: int = 1
    """Shares of the frontier, one a Beam worker; a registered domain belongs to one. Here one loop serves all hosts."""
    generation: int | None = None
    """Of the index, where outcomes go; None: the latest. A later one fetches again what an earlier one holds."""
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    """When a lane commits: what a kill can cost."""
    max_pixels: int = 89_478_485
    """Images that declare more pixels are rejected from their header."""
    workers: int = 1
    """Killable processes that decode images; 0 decodes in this process."""
    blocklists: tuple[str, ...] = ()
    """KIND=PATH of what must never be written: sha256, md5, phash:DISTANCE, url, domain."""
    fetcher: Literal["own", "img2dataset"] = "own"
    """img2dataset: on trusted lists alone."""


@contextlib.contextmanager
def open_blocklist(config: ImagesConfig) -> Iterator[Blocklist | None]:
    """Read the blocklists of a run; while the block runs, a killable worker computes perceptual hashes."""
    if not config.blocklists:
        yield None
        return
    with facts_pool(min(config.workers, 1)) as pool:
        yield Blocklist.load(config.blocklists, lambda body: next(map_facts(pool, [(body, "", "")])).phash)


def settle(outcome: Fetched | Outcome, known: ImageRecord | None) -> Outcome:
    """Return what a store keeps of an outcome, beside what it knows: a known image is not lost to a failure."""
    if known is not None and known.outcome == "kept":
        if isinstance(outcome, Fetched) and outcome.status == 304:
            return Unchanged(record=known, fetched_at=outcome.fetched_at)
        if isinstance(outcome, Dead):
            return Unchanged(record=known, fetched_at=known.fetched_at or "")
    return answer_of(outcome) if isinstance(outcome, Fetched) else outcome


def fetch_lane(lane: Lane, config: ImagesConfig, on_time: Callable[[float], None]) -> Ended:
    """Fetch one lane's URLs into the store; return how many outcomes of which kind were committed.

    `on_time`: called with the seconds between an URL's turn and its outcome.
    """
    with open_blocklist(config) as blocklist:
        return _fetch_lane(lane, config, blocklist, on_time)


def _fetch_lane(
    lane: Lane, config: ImagesConfig, blocklist: Blocklist | None, on_time: Callable[[float], None]
) -> Ended:
    store = ImageStore(config.store)
    index = store.index()
    generation = config.generation or index.generation
    under_way: dict[str, tuple[Wanted, float]] = {}
    writer = PackWriter(
        store,
        f"lane-{lane.number}",
        generation,
        config.max_pixels,
        config.checkpoint,
        blocklist,
        ContentTable.of(index.stored()),
    )

    def urls() -> Iterator[str]:
        for wanted in read_lane(lane, index, generation):
            blocked = blocklist.of_url(wanted.url) if blocklist else None
            if blocked is None:
                under_way[wanted.url] = wanted, time.monotonic()
                yield wanted.url
            else:
                writer.add(wanted, blocked)

    def validators(url: str) -> tuple[str | None, str | None]:
        known = index.find(under_way[url][0].key) if generation > index.generation else None
        return (known.etag, known.last_modified) if known else (None, None)

    def end(url: str, outcome: Fetched | Outcome) -> None:
        wanted, since = under_way.pop(url)
        on_time(time.monotonic() - since)
        writer.add(wanted, settle(outcome, index.find(wanted.key) if generation > index.generation else None))

    try:
        if config.fetcher == "img2dataset":
            fetch_by_img2dataset(urls(), config.fetch, f"{lane.files[0]}.engine", end)
        else:
            fetch_all(urls(), config.fetch, kind="image", on_outcome=end, validators=validators)
    except BaseException:
        with contextlib.suppress(Exception):  # what ended the run is said, not what it made of the rest
            writer.commit()
        raise
    writer.commit()
    return writer.ended


class _FetchLane(beam.DoFn):
    def __init__(self, config: ImagesConfig) -> None:
        self._config = config

    def process(self, lane: Lane) -> Iterator[int]:
        ended = fetch_lane(lane, self._config, lambda seconds: metrics.took(STAGE, "image", seconds))
        for (outcome, reason), number in ended.items():
            metrics.ended(STAGE, "image", outcome, reason, number)
        yield ended.total()


class _MakeFacts(beam.DoFn):
    def __init__(self, config: ImagesConfig) -> None:
        self._config = config

    def setup(self) -> None:
        self._store = ImageStore(self._config.store)
        self._pool = facts_pool(self._config.workers)

    def teardown(self) -> None:
        self._pool.close()

    def process(self, batch: list[ImageRecord]) -> Iterator[int]:
        images = ((self._store.read(record), record.sha256 or "", record.format or "") for record in batch)
        with metrics.timed(STAGE, "facts"):
            self._store.commit_facts(list(map_facts(self._pool, images)))
        metrics.ended(STAGE, "facts", metrics.KEPT, None, len(batch))
        yield len(batch)


@dataclass(kw_only=True, eq=False)
class FetchImages(beam.PTransform):
    """Lanes of wanted URLs -> outcomes committed a lane.

    Args:
      config: Store, fetching and checkpoints.
    """

    config: ImagesConfig

    def expand(self, lanes: beam.PCollection[Lane]) -> beam.PCollection[int]:
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


def build_fetch(pipeline: beam.Pipeline, config: ImagesConfig, lanes: Iterable[Lane]) -> beam.PCollection[int]:
    """Build the pipeline that fetches what is missing."""
    return pipeline | "Lanes" >> beam.Create(list(lanes)) | "FetchImages" >> FetchImages(config=config)


def build_facts(pipeline: beam.Pipeline, config: ImagesConfig, batches: list[list[ImageRecord]]) -> object:
    """Build the pipeline that makes the missing facts."""
    return pipeline | "Images" >> beam.Create(batches) | "MakeFacts" >> MakeFacts(config=config)
