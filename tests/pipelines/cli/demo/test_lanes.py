"""The demo trains in two processes: their order, their lines, and what a second run reuses."""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from corpusloom.pipelines.cli.demo import lanes
from corpusloom.pipelines.cli.demo.folder import DemoFolder
from corpusloom.pipelines.cli.demo.lanes import LaneReporter, TrainingLane, train_models
from corpusloom.pipelines.cli.demo.result import Training
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.trainers.jobs import train


def in_this_process(
    function: Callable[[TrainingLane], dict[str, Training]], tasks: Sequence[TrainingLane], size: int
) -> Iterator[dict[str, Training]]:
    """Stand in for `run_in_processes`; the last task ends first."""
    assert size == len(tasks) == 2
    yield from map(function, reversed(tasks))


def test_a_model_that_was_trained_before_keeps_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, list[tuple[Any, ...]]] = {}

    def trained(family: str, config: Any, data: tuple[str, ...], out: str, **_: Any) -> SimpleNamespace:
        asked.setdefault(family, []).append((config.train.steps, data, out))
        report = SimpleNamespace(loss=float(len(family))) if len(asked[family]) == 1 else None
        return SimpleNamespace(report=report, steps=12, seconds=5.0)

    monkeypatch.setattr(train, "run", trained)
    monkeypatch.setattr(lanes, "run_in_processes", in_this_process)
    demo = DemoFolder(str(tmp_path), Reporter(quiet=True), quick=True, port=1)
    first = train_models(demo)
    assert first == {name: Training(12, float(len(name)), 5.0) for name in ("clip", "flamingo", "vilbert")}
    assert list(first) == ["clip", "flamingo", "vilbert"]
    assert train_models(demo) == first
    assert "train models" in demo.seconds
    data, runs = tmp_path / "datasets", tmp_path / "runs"
    assert {family: rows[0] for family, rows in asked.items()} == {
        "clip": (12, (f"{data}/align",), f"{runs}/clip"),
        "flamingo": (12, (f"m3w={data}/m3w", f"align={data}/align:4"), f"{runs}/flamingo"),
        "vilbert": (12, (f"{data}/regions",), f"{runs}/vilbert"),
    }


def test_each_line_names_its_model() -> None:
    out = io.StringIO()
    reporter = LaneReporter(console=Console(file=out), name="clip")
    reporter.event("step", "  step 25 of 750: loss 4.1", step=25)
    with reporter.stage("train", detail="train clip-tiny"):
        pass
    lines = out.getvalue().splitlines()
    assert lines[0] == "  clip: step 25 of 750: loss 4.1"
    assert lines[1].startswith("  clip: train clip-tiny: ")
