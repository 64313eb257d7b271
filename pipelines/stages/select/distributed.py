"""The select stage over Beam: heads in, heads with a verdict out. `local` gives the same output on one machine.

Only heads are shuffled, never texts or images. Each step is a transform over `Head` that calls a function of
`group_decisions`. A head that an earlier step rejected passes through unchanged, so each head ends with one verdict.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam

from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.stages.select import group_decisions
from corpusloom.pipelines.stages.select import steps as select_steps
from corpusloom.pipelines.stages.select.distributed_counts import (
    MarkFrequentParagraphs,
    ScoreEntries,
    ScoreTokens,
)
from corpusloom.pipelines.stages.select.group_decisions import By, decode, encode, is_kept, value_of
from corpusloom.pipelines.stages.select.steps import Step
from corpusloom.pipelines.store.regroup import Regroup, WriteRecords
from corpusloom.schemas.records import Head

STAGE = "select"


@dataclass(kw_only=True, eq=False)
class RegroupHeads(beam.PTransform):
    """Heads -> lists of heads that share the key `by`. Rejected heads are in lists of their own.

    Args:
      by: The key that groups heads.
      everything: Group rejected heads with the others, for counts over the raw set.
    """

    by: By
    everything: bool = False

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[list[Head]]:
        """Key, regroup, decode."""
        return (
            heads
            | "Key" >> beam.Map(self._keyed).with_output_types(tuple[bytes, bytes])
            | "Regroup" >> Regroup()
            | "Decode" >> beam.MapTuple(lambda _, values: [decode(value) for value in values])
        )

    def _keyed(self, head: Head) -> tuple[bytes, bytes]:
        value = value_of(head, self.by)
        if not self.everything and not is_kept(head):
            value = f"rejected {head.key} {head.parent}"
        return value.encode(), encode(head)


@dataclass(kw_only=True, eq=False)
class KeepOne(beam.PTransform):
    """Keep one of the kept heads that share `by`; reject the others with `reason`."""

    by: By
    reason: str

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Regroup and choose."""
        return (
            heads
            | f"Group by {self.by}" >> RegroupHeads(by=self.by)
            | "Choose the survivor" >> beam.FlatMap(group_decisions.keep_one, reason=self.reason)
        )


@dataclass(kw_only=True, eq=False)
class CountDistinct(beam.PTransform):
    """Score heads that share `by` with their number of distinct `of`."""

    by: By
    of: By
    score: str

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Regroup and count, over the raw set: before any rule has rejected."""
        return (
            heads
            | f"Group by {self.by}" >> RegroupHeads(by=self.by, everything=True)
            | f"Count distinct {self.of}" >> beam.FlatMap(group_decisions.count_distinct, of=self.of, score=self.score)
        )


class _CountOutcomes(beam.DoFn):
    """Counts outcomes per bundle before adding them to Beam's counters, each of which costs more than an addition."""

    def start_bundle(self) -> None:
        self._passed: Counter[tuple[str, str, str | None]] = Counter()

    def process(self, head: Head) -> Iterator[Head]:
        self._passed[head.unit, head.outcome, head.reason] += 1
        yield head

    def finish_bundle(self) -> None:
        for (unit, outcome, reason), number in self._passed.items():
            metrics.count_outcome(STAGE, unit, outcome, reason, number)


@dataclass(kw_only=True, eq=False)
class CountOutcomes(beam.PTransform):
    """Heads -> the same, counted by outcome and reason in the counters of the select stage."""

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Count and pass on."""
        return heads | "Count" >> beam.ParDo(_CountOutcomes()).with_output_types(Head)


def transform(step: Step) -> beam.PTransform:
    """Return a step as a transform, labelled."""
    match step:
        case select_steps.Judge():
            made: beam.PTransform = beam.Map(group_decisions.judge, rules=step.rules)
        case select_steps.KeepOne():
            made = KeepOne(by=step.by, reason=step.reason)
        case select_steps.KeepOneOfNearDuplicates():
            raise TypeError("near-duplicates take several pipelines: stages.select.pipelines")
        case select_steps.MarkFrequentParagraphs():
            made = MarkFrequentParagraphs(most=step.most)
        case select_steps.CountDistinct():
            made = CountDistinct(by=step.by, of=step.of, score=step.score)
        case select_steps.CountTokens():
            made = ScoreTokens()
        case select_steps.DrawEntries():
            made = ScoreEntries(seed=step.seed)
        case select_steps.CountEntries():
            made = ScoreEntries()
    return step.label >> made


@dataclass(kw_only=True, eq=False)
class Decide(beam.PTransform):
    """Heads -> the same after some steps, none of which is `KeepOneOfNearDuplicates`."""

    steps: tuple[Step, ...]

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Apply the steps in order."""
        for step in self.steps:
            heads |= transform(step)
        return heads


@dataclass(kw_only=True, eq=False)
class WriteDecisions(beam.PTransform):
    """Decided heads -> files of a folder, one per range of keys; yields the number of rows per file.

    Args:
      folder: Folder of the decisions.
      parts: Number of files.
    """

    folder: str
    parts: int

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[int]:
        """Count the outcomes, drop the keys and write."""
        return (
            heads
            | "Count outcomes" >> CountOutcomes()
            | "Drop keys" >> beam.Map(group_decisions.without_keys)
            | "Write decisions"
            >> WriteRecords(record=Head, folder=self.folder, sort_by=("key", "parent"), parts=self.parts)
        )
