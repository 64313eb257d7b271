"""A training tells each report in one line, and continues the count of an earlier run."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from corpusloom.pipelines.cli.run_training import run_training, step_line
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.trainers import run
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.training.observe import StepReport

REPORT = StepReport(
    step=25, steps=750, loss=4.15888, grad_norm=1.0, lr=1e-3, samples=3_200, samples_per_second=1_280.4,
    seconds={"data": 0.02, "compute": 0.07, "update": 0.01}, metrics={},
)  # fmt: skip


def test_a_report_is_one_line_with_the_time_left() -> None:
    assert step_line(REPORT) == "step 25 of 750: loss 4.1589, 1,280 samples per second, 1 min 12 s left"


def test_every_report_is_printed_and_an_earlier_run_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, totals = io.StringIO(), []
    made = Reporter(console=Console(file=out, width=120))
    stage = Reporter.stage

    def watched(self: Reporter, name: str, total: int, done: object, **named: object) -> object:
        totals.append((total, done()))  # type: ignore[operator]
        return stage(self, name, total, done, **named)  # type: ignore[arg-type]

    def trained(*_: object, on_step: object, **__: object) -> str:
        on_step(REPORT)  # type: ignore[operator]
        return "the result"

    monkeypatch.setattr(Reporter, "stage", watched)
    monkeypatch.setattr(run, "run", trained)
    monkeypatch.setattr(folders, "latest", lambda _: f"{tmp_path}/checkpoints/step-00000010")
    assert run_training("clip", load_config("clip-tiny"), ("d",), str(tmp_path), made) == "the result"
    assert totals == [(750, 10)]
    first, last = out.getvalue().splitlines()
    assert first == f"  {step_line(REPORT)}"
    assert last.startswith("  train clip-tiny: ")
