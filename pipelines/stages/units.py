"""Units of work, such as a WARC, a list or a shard: each is finished once, and not again by later runs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import apache_beam as beam

from corpusloom.pipelines.engine import metrics
from corpusloom.schemas.records import StageCounts

Unit = TypeVar("Unit")
_Unit_contra = TypeVar("_Unit_contra", contravariant=True)


class FinishUnit(Protocol[_Unit_contra]):
    """Does the work of one unit and commits it."""

    def __call__(self, unit: _Unit_contra, /) -> tuple[StageCounts, ...]:
        """Return the counts of the unit."""


class UnitWork(Protocol[_Unit_contra]):
    """The work of a stage on its units: a frozen dataclass that Beam sends to its workers."""

    stage: ClassVar[str]
    """Name of the stage in counters."""
    unit: ClassVar[str]
    """Name of a unit in counters: input or shard."""

    def is_finished(self, unit: _Unit_contra, /) -> bool:
        """Return whether an earlier run committed this unit."""

    def open(self) -> AbstractContextManager[FinishUnit[_Unit_contra]]:
        """Open what all units share (a pool of processes, a model, a store), once per Beam worker."""


class _FinishUnit(beam.DoFn, Generic[Unit]):
    def __init__(self, work: UnitWork[Unit]) -> None:
        self._work = work

    def setup(self) -> None:
        self._opened = ExitStack()
        self._finish = self._opened.enter_context(self._work.open())

    def teardown(self) -> None:
        self._opened.close()

    def process(self, unit: Unit) -> Iterator[Unit]:
        if not self._work.is_finished(unit):
            with metrics.timed(self._work.stage, self._work.unit):
                counts = self._finish(unit)
            metrics.add_counts(counts)
        yield unit


@dataclass(kw_only=True, eq=False)
class FinishUnits(beam.PTransform):
    """Units -> the same units, each finished.

    Args:
      work: The work on each unit.
      step: Label in the runner's console, such as "Extract a WARC".
    """

    work: UnitWork[Any]
    step: str

    def expand(self, units: beam.PCollection[Any]) -> beam.PCollection[Any]:
        """Spread the units over workers and finish each."""
        return units | "Spread over workers" >> beam.Reshuffle() | self.step >> beam.ParDo(_FinishUnit(self.work))
