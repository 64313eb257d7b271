"""Decided candidates, counted as they pass."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam

from corpusloom.pipelines.engine import metrics
from corpusloom.schemas.records import Candidate


class _CountOutcomes(beam.DoFn):
    """Counts a bundle at a time: a counter's own bookkeeping costs more than an addition."""

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def start_bundle(self) -> None:
        self._passed: Counter[tuple[str, str, str | None]] = Counter()

    def process(self, candidate: Candidate) -> Iterator[Candidate]:
        self._passed[candidate.unit, candidate.outcome, candidate.reason] += 1
        yield candidate

    def finish_bundle(self) -> None:
        for (unit, outcome, reason), number in self._passed.items():
            metrics.ended(self._stage, unit, outcome, reason, number)


@dataclass(kw_only=True, eq=False)
class CountOutcomes(beam.PTransform):
    """Candidates -> the same, entered into the counters of a stage.

    Args:
      stage: Whose.
    """

    stage: str

    def expand(self, candidates: beam.PCollection[Candidate]) -> beam.PCollection[Candidate]:
        """Count and pass on."""
        return candidates | "Count" >> beam.ParDo(_CountOutcomes(self.stage)).with_output_types(Candidate)
