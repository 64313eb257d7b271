"""A training tells its start, reports and evaluations in lines, and continues the count of an earlier run."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from corpusloom.pipelines.cli.run_training import TrainingLines, figure_words, run_training, step_line
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.jobs import train
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.training.observe.reports import StepReport
from tests.trainers.datasets import Pair, coloured_pairs, write_pairs

REPORT = StepReport(
    step=25, steps=750, loss=4.15888, grad_norm=1.0, lr=1e-3, samples=3_200, samples_per_second=1_280.4, wait=0.204,
    seconds={"data": 0.02, "compute": 0.07, "update": 0.01}, metrics={}, memory=1_250_000_000,
)  # fmt: skip
FIGURES = {"r1": 0.5, "r1_low": 0.4, "r1_high": 0.6, "r1_chance": 0.01, "r1_n": 100.0, "n": 100.0, "skipped": 2.0}


def test_a_report_is_one_line_with_the_time_left() -> None:
    assert step_line(REPORT) == (
        "step 25 of 750: loss 4.1589, lr 0.001, 1,280 samples per second, data wait 20.4%, 1.25 GB rss, 1 min 12 s left"
    )


def test_a_report_tells_utilisation_and_what_was_skipped_if_there_is_any() -> None:
    line = step_line(replace(REPORT, mfu=0.41, skipped=3, skipped_steps=2))
    assert "rss, MFU 41.0%, 2 steps skipped, 3 samples skipped, 1 min" in line


def test_figures_are_told_with_their_intervals() -> None:
    assert figure_words(FIGURES) == "r1 0.5 (0.4 to 0.6), n 100, skipped 2"


def test_lines_are_printed_also_for_evaluations_and_notes() -> None:
    out = io.StringIO()
    lines = TrainingLines(Reporter(console=Console(file=out, width=200)))
    lines.evaluation(1_000, FIGURES)
    lines.saved(1_000, "run/checkpoints/step-00001000")
    lines.note("step 3 is skipped")
    lines.close()
    assert out.getvalue().splitlines() == [
        "  evaluation at step 1,000: r1 0.5 (0.4 to 0.6), n 100, skipped 2",
        "  step 3 is skipped",
    ]


def test_every_report_is_printed_and_an_earlier_run_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, totals = io.StringIO(), []
    made = Reporter(console=Console(file=out, width=200))
    stage = Reporter.stage

    def watched(self: Reporter, name: str, total: int, done: object, **named: object) -> object:
        totals.append((total, done()))  # type: ignore[operator]
        return stage(self, name, total, done, **named)  # type: ignore[arg-type]

    def trained(*_: object, observers: Any, **__: object) -> str:
        observers[0].report(REPORT)
        return "the result"

    monkeypatch.setattr(Reporter, "stage", watched)
    monkeypatch.setattr(train, "run", trained)
    monkeypatch.setattr(folders, "latest", lambda _: f"{tmp_path}/checkpoints/step-00000010")
    assert run_training("clip", load_config("clip-tiny"), ("d",), str(tmp_path), made) == "the result"
    assert totals == [(750, 10)]
    first, last = out.getvalue().splitlines()
    assert first == f"  {step_line(REPORT)}"
    assert last.startswith("  train clip-tiny: ")


def trained_process(tmp_path: Path, *flags: str) -> tuple[list[str], list[str]]:
    """Train in a process whose output goes through pipes; return the lines of both streams."""
    broken = Pair(b"\xff\xd8 no picture", "a broken picture")
    pairs = [*coloured_pairs(15), broken, *coloured_pairs(6, "val", first=16)]
    data = write_pairs(tmp_path / "pairs", pairs)
    small = [
        "train.steps=4", "train.warmup=1", "train.batch_size=4", "train.log_every=2", "train.evaluate_every=2",
        "data.split='train'", "data.evaluate='val'",
    ]  # fmt: skip
    argv = ["train", "clip", "--config", "clip-tiny", "--data", data, "--out", str(tmp_path / "run"), "--set", *small]
    command = [sys.executable, "-m", "corpusloom", *argv, *flags]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_off_a_terminal_a_training_speaks_in_plain_lines(tmp_path: Path) -> None:
    out, err = trained_process(tmp_path)
    begins = ["  a vocabulary of "]
    begins += ["  clip-tiny on cpu, 1 thread, 1 rank, fp32: ", "  step 2 of 4: loss ", "  evaluation at step 2: image_"]
    begins += ["  step 4 of 4: loss ", "  evaluation at step 4: image_", "  train clip-tiny: "]
    assert len(err) == len(begins), err
    assert all(line.startswith(begin) for line, begin in zip(err, begins, strict=True)), err
    assert "; pairs 16 samples; 4 samples per step; 4 steps" in err[1]
    for words in (", lr ", " samples per second, data wait ", " GB rss, ", " left"):
        assert words in err[2]
    assert out[0].startswith("step 4: loss ")
    assert any(line.startswith("image_retrieval_r1 ") for line in out)
    assert out[-1].startswith("checkpoint: ")


def test_with_json_each_line_is_an_object_and_the_result_is_alone_on_standard_output(tmp_path: Path) -> None:
    out, err = trained_process(tmp_path, "--json")
    (result,) = (json.loads(line) for line in out)
    assert (result["steps"], result["skipped"]["reasons"]) == (4, {"not_an_image": 1})
    events = [json.loads(line) for line in err]
    kinds = [event["event"] for event in events]
    assert kinds == [
        "stage started", "note", "training", "step", "evaluation", "step", "checkpoint", "evaluation", "stage finished",
    ]  # fmt: skip
    steps = [event for event in events if event["event"] == "step"]
    assert [event["step"] for event in steps] == [2, 4]
    assert {"loss", "lr", "samples_per_second", "wait", "memory/rss", "seconds_left"} <= steps[0].keys()
    start = events[2]
    assert start["parameters"] == start["trained"] > 0
    assert (start["datasets"], start["resumed_at"]) == ({"pairs": 16}, 0)
    assert result["evaluation"]["n"] == events[-2]["n"] == 6
