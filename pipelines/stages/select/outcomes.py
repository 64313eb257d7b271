"""Decided heads, counted as they pass."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam

from corpusloom.pipelines.engine import metrics
from corpusloom.schemas.records import Head


class _CountOutcomes(beam.DoFn):
    """Counts a bundle at a time: a counter's own bookkeeping costs more than an addition."""

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def start_bundle(self) -> None:
        self._passed: Counter[tuple[str, str, str | None]] = Counter()

    def process(self, head: Head) -> Iterator[Head]:
        self._passed[head.unit, head.outcome, head.reason] += 1
        yield head

    def finish_bundle(self) -> None:
        for (unit, outcome, reason), number in self._passed.items():
            metrics.count_outcome(self._stage, unit, outcome, reason, number)


@dataclass(kw_only=True, eq=False)
class CountOutcomes(beam.PTransform):
    """Heads -> the same, entered into the counters of a stage.

    Args:
      stage: Whose.
    """

    stage: str

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Count and pass on."""
        return heads | "Count" >> beam.ParDo(_CountOutcomes(self.stage)).with_output_types(Head)
