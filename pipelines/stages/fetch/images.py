"""Image URLs -> image store: each URL is fetched once, inspected, and kept, rejected or dead; then its facts.

The frontier (wanted URLs that the store has no outcome for) lies in lanes by registered domain, so that two workers
never hammer one host. `corpusloom.pipelines.stages.fetch.lanes` is what happens in one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam

from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig, fetch_lanes
from corpusloom.pipelines.store.images.facts import facts_pool, map_facts
from corpusloom.pipelines.store.images.frontier import Lane
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas.records import ImageRecord

STAGE = "images"


class _FetchLanes(beam.DoFn):
    def __init__(self, config: ImagesConfig) -> None:
        self._config = config

    def process(self, lanes: Sequence[Lane]) -> Iterator[int]:
        report = fetch_lanes(lanes, self._config)
        for (outcome, reason), number in report.ended.items():
            metrics.count_outcome(STAGE, "image", outcome, reason, number)
        for milliseconds in report.times.elements():
            metrics.record_latency(STAGE, "image", milliseconds / 1000)
        yield report.ended.total()


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
        metrics.count_outcome(STAGE, "facts", metrics.KEPT, None, len(batch))
        yield len(batch)


@dataclass(kw_only=True, eq=False)
class FetchImages(beam.PTransform):
    """Groups of lanes of wanted URLs -> outcomes committed a group.

    Args:
      config: Store, fetching and checkpoints.
    """

    config: ImagesConfig

    def expand(self, groups: beam.PCollection[Sequence[Lane]]) -> beam.PCollection[int]:
        """Spread the groups over workers and fetch each lane in one asyncio loop."""
        return groups | "Spread lanes" >> beam.Reshuffle() | "Fetch lanes" >> beam.ParDo(_FetchLanes(self.config))


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
    """Build the pipeline that fetches what is missing: all lanes on this machine, or one a worker."""
    found = tuple(lanes)
    groups = [found] if config.local and found else [(lane,) for lane in found]
    return pipeline | "Lanes" >> beam.Create(groups) | "FetchImages" >> FetchImages(config=config)


def build_facts(pipeline: beam.Pipeline, config: ImagesConfig, batches: list[list[ImageRecord]]) -> object:
    """Build the pipeline that makes the missing facts."""
    return pipeline | "Images" >> beam.Create(batches) | "MakeFacts" >> MakeFacts(config=config)
