"""The images stage: fetches each image URL once into the store, with the outcome kept, rejected or dead.

The frontier is split into lanes by registered domain, so that two processes never fetch from one host at the same time.
The module `lanes` fetches one lane.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam

from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig, fetch_lanes
from corpusloom.pipelines.store.images.frontier import FrontierLane

STAGE = "images"


class _FetchLanes(beam.DoFn):
    def __init__(self, config: ImagesConfig) -> None:
        self._config = config

    def process(self, lanes: Sequence[FrontierLane]) -> Iterator[int]:
        report = fetch_lanes(lanes, self._config)
        for (outcome, reason), number in report.outcomes.items():
            metrics.count_outcome(STAGE, "image", outcome, reason, number)
        for milliseconds in report.latencies.elements():
            metrics.record_latency(STAGE, "image", milliseconds / 1000)
        yield report.outcomes.total()


@dataclass(kw_only=True, eq=False)
class FetchImages(beam.PTransform):
    """Fetch groups of lanes of image URLs; each element of the result is the number of outcomes of a group.

    Args:
      config: Store, fetcher and checkpoints.
    """

    config: ImagesConfig

    def expand(self, groups: beam.PCollection[Sequence[FrontierLane]]) -> beam.PCollection[int]:
        """Spread the groups over workers and fetch each lane in one asyncio loop."""
        return groups | "Spread lanes" >> beam.Reshuffle() | "Fetch lanes" >> beam.ParDo(_FetchLanes(self.config))


def build(pipeline: beam.Pipeline, config: ImagesConfig, lanes: Iterable[FrontierLane]) -> beam.PCollection[int]:
    """Build the pipeline that fetches the frontier: all lanes on this machine, or one per Beam worker."""
    found = tuple(lanes)
    groups = [found] if config.local and found else [(lane,) for lane in found]
    return pipeline | "Lanes" >> beam.Create(groups) | "FetchImages" >> FetchImages(config=config)
