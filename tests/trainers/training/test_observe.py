"""Means, times and the metrics log of a run."""

import json
import math
from pathlib import Path

import pytest
import torch

from corpusloom.trainers.training.observe import Meter, MetricsLog, StepReport, Stopwatch


def report(step: int, loss: float = 1.0) -> StepReport:
    return StepReport(
        step=step,
        steps=9,
        loss=loss,
        grad_norm=2.0,
        lr=0.1,
        samples=4,
        samples_per_second=8.0,
        seconds={"data": 0.25},
        metrics={"accuracy": 0.5},
    )


def test_a_meter_means_over_what_was_added_and_begins_again() -> None:
    meter = Meter()
    meter.add({"a": (1.0, 1), "b": (torch.tensor([8.0]), torch.tensor(2))})
    meter.add({"a": (torch.tensor(4.0), 1.0)})
    assert meter.read() == {"a": 2.5, "b": 4.0}
    assert meter.read() == {}


def test_the_mean_of_no_value_is_nan() -> None:
    meter = Meter()
    meter.add({"a": (0.0, 0), "loss": (math.nan, 1)})
    found = meter.read()
    assert math.isnan(found["a"])
    assert math.isnan(found["loss"])


def test_a_stopwatch_divides_time_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 3.0, 4.0, 4.5, 10.0])
    monkeypatch.setattr("corpusloom.trainers.training.observe.time.perf_counter", lambda: next(now))
    watch = Stopwatch()
    with watch.part("data"):
        pass
    with watch.part("data"):
        pass
    assert watch.read() == (10.0, {"data": 2.5})


def test_the_log_has_one_json_line_per_report(tmp_path: Path) -> None:
    log = MetricsLog(str(tmp_path / "run" / "metrics.jsonl"))
    log.write(report(1))
    log.write(report(2, loss=float("inf")))
    first, second = (json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    assert first == {
        "step": 1,
        "loss": 1.0,
        "grad_norm": 2.0,
        "lr": 0.1,
        "samples": 4,
        "skipped": 0,
        "samples_per_second": 8.0,
        "seconds/data": 0.25,
        "accuracy": 0.5,
    }
    assert second["loss"] is None


def test_a_line_that_a_killed_run_left_half_written_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    MetricsLog(str(path)).write(report(5))
    path.write_bytes(path.read_bytes() + b'{"step": 10, "lo' + b"\n[3]\n\xff\n")
    MetricsLog(str(path), resumed_at=10).write(report(15))
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [5, 15]


def test_a_resumed_log_has_each_step_once(tmp_path: Path) -> None:
    path = str(tmp_path / "metrics.jsonl")
    log = MetricsLog(path)
    for step in (5, 10, 15):
        log.write(report(step))
    again = MetricsLog(path, resumed_at=10)
    again.write(report(15))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [5, 10, 15]
