"""The demo's models: a second run reuses figures and trained models."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corpusloom.pipelines.cli.demo_folder import DemoFolder
from corpusloom.pipelines.cli.demo_models import evaluate_once, make_gate, measure_ceiling_once, train_models
from corpusloom.pipelines.cli.demo_result import Gate, Training
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.clip.zero_shot import supervised
from corpusloom.trainers.jobs import evaluate, train


def demo(folder: Path) -> DemoFolder:
    return DemoFolder(str(folder), Reporter(quiet=True), quick=True, port=1)


def test_figures_are_computed_once_per_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest, asked = ["step-1"], []

    def figures(*arguments: Any, **_: Any) -> SimpleNamespace:
        asked.append(arguments)
        return SimpleNamespace(figures={"top1": float(len(asked))})

    monkeypatch.setattr(folders, "find", lambda run: newest[0])
    monkeypatch.setattr(evaluate, "evaluate", figures)
    assert [evaluate_once(demo(tmp_path), "zero-shot", "clip", "x/seen/")["top1"] for _ in range(2)] == [1.0, 1.0]
    newest[0] = "step-2"
    assert evaluate_once(demo(tmp_path), "zero-shot", "clip", "x/seen")["top1"] == 2.0
    stored = json.loads((tmp_path / "evaluation" / "clip-seen.json").read_text())
    assert stored == {"checkpoint": "step-2", "figures": {"top1": 2.0}}


def test_the_ceiling_is_that_of_the_demo_s_tower_and_computed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(folders, "find", lambda run: "step-1")
    monkeypatch.setattr(
        supervised,
        "supervised_ceiling",
        lambda config, data: {"top1": float(len(asked.append((config, data)) or asked))},
    )
    assert [measure_ceiling_once(demo(tmp_path), "x/seen")["top1"] for _ in range(2)] == [1.0, 1.0]
    ((config, data),) = asked
    assert (config.name, config.train.steps, data) == ("clip-tiny", 12, "x/seen")


def test_a_model_that_was_trained_before_keeps_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def trained(family: str, config: Any, data: tuple[str, ...], out: str, **_: Any) -> SimpleNamespace:
        asked.append((family, config.train.steps, data, out))
        report = SimpleNamespace(loss=float(len(asked))) if len(asked) <= 3 else None
        return SimpleNamespace(report=report, steps=12, seconds=5.0)

    monkeypatch.setattr(train, "run", trained)
    first = train_models(demo(tmp_path))
    assert first == {
        name: Training(12, loss, 5.0) for name, loss in (("clip", 1.0), ("flamingo", 2.0), ("vilbert", 3.0))
    }
    assert train_models(demo(tmp_path)) == first
    data = tmp_path / "datasets"
    assert [row[2] for row in asked[:3]] == [
        (f"{data}/align",), (f"m3w={data}/m3w", f"align={data}/align:4"), (f"{data}/regions",)
    ]  # fmt: skip
    assert {row[1] for row in asked} == {12}


def test_a_gate_is_a_figure_with_its_interval_and_chance() -> None:
    figures = {"r1": 0.5, "r1_low": 0.4, "r1_high": 0.6, "chance": 0.1}
    assert make_gate("g", figures, "r1", 0.3) == Gate("g", 0.5, 0.4, 0.6, 0.1, 0.3)
