"""Each unit is processed once: units of an earlier run are passed on unchanged, and resources are closed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import apache_beam as beam
import pytest

from corpusloom.pipelines.engine.runners import Profile, run
from corpusloom.pipelines.stages.units import FinishUnit, FinishUnits, _FinishUnit
from corpusloom.schemas.records import StageCounts


@dataclass(frozen=True)
class Touch:
    """Creates one file per unit, and records in another file when it was opened and closed."""

    stage: ClassVar[str] = "touch"
    unit: ClassVar[str] = "file"
    folder: str

    def is_finished(self, name: str) -> bool:
        """Return whether the file exists."""
        return (Path(self.folder) / name).exists()

    @contextmanager
    def open(self) -> Iterator[FinishUnit[str]]:
        """Record opening and closing."""
        log = Path(self.folder) / "log"
        log.write_text("opened ")
        yield self._touch
        log.write_text(f"{log.read_text()}closed")

    def _touch(self, name: str) -> tuple[StageCounts, ...]:
        if name == "broken":
            raise ValueError(name)
        (Path(self.folder) / name).write_text(name)
        return (StageCounts(stage="touch", unit="file", records_in=1, kept=1),)


def test_units_are_finished_counted_and_passed_on(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("finished before")
    passed = tmp_path / "passed"
    passed.mkdir()

    def build(pipeline: beam.Pipeline) -> object:
        made = pipeline | beam.Create(["a", "b", "c"]) | FinishUnits(work=Touch(str(tmp_path)), step="Touch a file")
        return made | beam.Map(lambda name: (passed / name).write_text(""))

    measures = run(build, Profile())
    assert (tmp_path / "a").read_text() == "finished before"
    assert (tmp_path / "b").read_text() == "b"
    assert sorted(path.name for path in passed.iterdir()) == ["a", "b", "c"]
    assert measures.counters["touch/file/kept"] == 2
    assert measures.latencies["touch/file/ms"].count == 2


def test_resources_are_closed_after_a_unit_that_failed(tmp_path: Path) -> None:
    fn = _FinishUnit(Touch(str(tmp_path)))
    fn.setup()
    assert list(fn.process("x")) == ["x"]
    with pytest.raises(ValueError, match="broken"):
        list(fn.process("broken"))
    assert (tmp_path / "log").read_text() == "opened "
    fn.teardown()
    assert (tmp_path / "log").read_text() == "opened closed"
