"""The stage that computes the facts of stored images: each image is decoded and measured once."""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam

from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.store.images.facts import facts_pool, map_facts
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas.records import ImageRecord

STAGE = "images"


class _MakeFacts(beam.DoFn):
    def __init__(self, store: str, workers: int) -> None:
        self._folder, self._workers = store, workers

    def setup(self) -> None:
        self._store = ImageStore(self._folder)
        self._pool = facts_pool(self._workers)

    def teardown(self) -> None:
        self._pool.close()

    def process(self, batch: list[ImageRecord]) -> Iterator[int]:
        images = ((self._store.read(record), record.sha256 or "", record.format or "") for record in batch)
        with metrics.timed(STAGE, "facts"):
            self._store.commit_facts(list(map_facts(self._pool, images)))
        metrics.count_outcome(STAGE, "facts", metrics.KEPT, None, len(batch))
        yield len(batch)


@dataclass(kw_only=True, eq=False)
class MakeFacts(beam.PTransform):
    """Compute the facts of batches of stored images; the facts of a batch are committed together.

    Args:
      store: Folder of the image store.
      workers: Processes per Beam worker that decode images; 0 decodes in the Beam worker.
    """

    store: str
    workers: int

    def expand(self, batches: beam.PCollection[list[ImageRecord]]) -> beam.PCollection[int]:
        """Spread the batches over workers and measure each image."""
        make = beam.ParDo(_MakeFacts(self.store, self.workers))
        return batches | "Spread batches" >> beam.Reshuffle() | "Make facts" >> make


def build(pipeline: beam.Pipeline, store: str, workers: int, batches: list[list[ImageRecord]]) -> beam.PCollection[int]:
    """Build the pipeline that computes the missing facts."""
    return pipeline | "Images" >> beam.Create(batches) | "MakeFacts" >> MakeFacts(store=store, workers=workers)
