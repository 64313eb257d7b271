"""metrics.jsonl, TensorBoard's event files, and the calls that Weights & Biases gets."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import fsspec
import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.observe.logs import MetricsLog, TensorBoardLog, WandbLog
from tests.trainers.training.observe.sample_reports import report, start
from tests.trainers.training.observe.test_reports import tell_all


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_log_has_one_json_line_per_report_and_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    log = MetricsLog(str(path))
    log.start(start())
    log.report(report(1))
    log.report(report(2, loss=float("inf")))
    log.evaluation(2, {"r1": 0.5, "r1_low": float("nan")})
    first, second, third = lines(path)
    assert first == report(1).to_plain()
    assert second["loss"] is None
    assert third == {"step": 2, "evaluation/r1": 0.5, "evaluation/r1_low": None}


def test_a_resumed_log_has_each_step_once_and_knows_the_evaluations_before(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(str(path))
    log.start(start())
    for step in (5, 10, 15):
        log.report(report(step))
        log.evaluation(step, {"r1": step / 100})
    path.write_bytes(path.read_bytes() + b'{"step": 10, "lo' + b"\n[3]\n\xff\n")
    again = MetricsLog(str(path))
    again.start(start(resumed_at=10))
    again.report(report(15))
    assert [(line["step"], "loss" in line) for line in lines(path)] == [
        (5, True),
        (5, False),
        (10, True),
        (15, True),
    ]
    assert again.evaluations == [{"step": 5, "figures": {"r1": 0.05}}]


def test_on_an_object_store_the_log_is_written_at_checkpoints_and_at_the_end() -> None:
    path = "memory://run-of-logs/metrics.jsonl"
    store = fsspec.filesystem("memory")
    log = MetricsLog(path)
    log.start(start())
    log.report(report(1))
    assert store.cat(path) == b""
    log.saved(1, "x")
    log.report(report(2))
    log.close()
    assert [json.loads(line)["step"] for line in store.cat(path).splitlines()] == [1, 2]


def test_tensorboard_gets_reports_and_evaluations_and_hides_what_a_resumed_run_does_again(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = TensorBoardLog(str(tmp_path))
    tell_all(log, start())
    again = TensorBoardLog(str(tmp_path))
    again.start(start(resumed_at=4))
    again.report(report(5, loss=0.25))
    again.close()
    events = accumulators.EventAccumulator(str(tmp_path))
    events.Reload()
    assert {"train/loss", "train/accuracy", "train/memory/rss", "evaluation/r1"} <= set(events.Tags()["scalars"])
    assert [(item.step, item.value) for item in events.Scalars("train/loss")] == [(5, 0.25)]


def test_tensorboard_without_its_package_or_a_local_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="needs a local folder"):
        TensorBoardLog("memory://run/tensorboard")
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ConfigError, match=r"tensorboard is not installed \(pip install 'corpusloom\[tensorboard\]'\)"):
        TensorBoardLog("run/tensorboard")


def test_wandb_gets_reports_and_evaluations_at_their_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[Any] = []

    class Run:
        def log(self, values: dict[str, Any], step: int) -> None:
            calls.append((step, values))

        def finish(self) -> None:
            calls.append("finish")

    def init(**options: Any) -> Run:
        calls.append(options)
        return Run()

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init))
    folders = [tmp_path / "one" / "run", tmp_path / "two" / "run"]
    for folder in folders:
        tell_all(WandbLog(str(folder), "corpusloom", {"train": {"lr": 1}}), start())
    opened, reported, evaluated, ended = calls[:4]
    assert (opened["project"], opened["name"], opened["resume"]) == ("corpusloom", "run", "allow")
    assert opened["config"] == {"train": {"lr": 1}}
    assert opened["id"] != calls[4]["id"]
    assert reported[0] == 5
    assert reported[1]["train/loss"] == 1.0
    assert evaluated == (5, {"evaluation/r1": 0.5})
    assert ended == "finish"


def test_wandb_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"wandb is not installed \(pip install 'corpusloom\[wandb\]'\)"):
        WandbLog("run", "corpusloom", {})
