"""The demo's evaluations: a second run reuses figures, and gates are figures with bounds."""

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corpusloom.pipelines.cli.demo.evaluations import evaluate_once, flamingo_gates, make_gate, measure_ceiling_once
from corpusloom.pipelines.cli.demo.folder import DemoFolder
from corpusloom.pipelines.cli.demo.result import Gate
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.clip.zero_shot import supervised
from corpusloom.trainers.jobs import evaluate


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


def test_a_page_is_written_with_its_figures_and_again_if_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, asked = tmp_path / "vilbert.html", []

    def figures(*arguments: Any, html: str) -> SimpleNamespace:
        asked.append(html)
        page.write_text("page")
        return SimpleNamespace(figures={"r1": float(len(asked))})

    monkeypatch.setattr(folders, "find", lambda run: "step-1")
    monkeypatch.setattr(evaluate, "evaluate", figures)
    ask = partial(evaluate_once, demo(tmp_path), "retrieval", "vilbert", "x/exam-regions", 20, str(page))
    assert [ask()["r1"], ask()["r1"]] == [1.0, 1.0]
    page.unlink()
    assert ask()["r1"] == 2.0
    assert asked == [str(page), str(page)]


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


def test_a_gate_is_a_figure_with_its_interval_and_chance() -> None:
    figures = {"r1": 0.5, "r1_low": 0.4, "r1_high": 0.6, "r1_chance": 0.1}
    assert make_gate("g", figures, "r1", 0.3) == Gate("g", 0.5, 0.4, 0.6, 0.1, 0.3)


def test_flamingo_must_name_colours_and_shapes_and_gain_from_a_shot() -> None:
    class Same(dict[str, float]):
        def __missing__(self, name: str) -> float:
            return 0.1

    gates = flamingo_gates(Same(), Same())
    assert {gate.name: gate.wanted for gate in gates if not gate.met} == {
        "flamingo caption, right image": 2 / 3,
        "flamingo names the colour": 0.85,
        "flamingo names the shape": 0.4,
        "flamingo F1 gained by 1 shot": 0.15,
    }
    reached = Same(colour_named=0.85, shape_named=0.4, f1_gain=0.15, right_image_likelier=0.7)
    assert all(gate.met for gate in flamingo_gates(reached, Same()))
