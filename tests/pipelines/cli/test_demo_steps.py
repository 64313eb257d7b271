"""The demo's gates, its evaluation set, and the figures that a second run does not compute again."""

import io
import json
import socket
import tarfile
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.cli import demo_steps
from corpusloom.pipelines.cli.demo_steps import Demo, DemoResult, Gate, write_zero_shot
from corpusloom.pipelines.demo import drawing
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.stages.scrape import ScrapeReport
from corpusloom.schemas.errors import LoomError
from corpusloom.trainers import checkpoint, evaluate


def gate(value: float, wanted: float | None) -> Gate:
    return Gate("clip zero-shot top-1", value, value - 0.1, value + 0.1, 0.01, wanted)


def result(*gates: Gate, canary: int = 0) -> DemoResult:
    return DemoResult(
        "demo", ScrapeReport(counts=(), warcs=()), {}, list(gates), {"clip": (12, 3.25, 7.0)}, {"scrape": 1.234}, canary
    )


@pytest.mark.parametrize(("value", "wanted", "met"), [(0.5, 0.5, True), (0.49, 0.5, False), (0.0, None, True)])
def test_a_gate_is_met_at_the_figure_that_is_wanted(value: float, wanted: float | None, met: bool) -> None:
    assert gate(value, wanted).met == met


def test_all_gates_must_be_met_and_the_forbidden_address_left_alone() -> None:
    assert result(gate(0.5, 0.5), gate(0.1, None)).gates_met
    assert not result(gate(0.5, 0.5), gate(0.4, 0.5)).gates_met
    assert not result(gate(0.5, 0.5), canary=1).gates_met


def test_the_result_is_printed_and_given_as_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    made = result(gate(0.25, 0.5), gate(0.75, 0.5))
    plain = made.to_plain()
    assert (plain["gates_met"], plain["canary_connections"], plain["seconds"]) == (False, 0, {"scrape": 1.23})
    assert plain["losses"] == {"clip": {"steps": 12, "loss": 3.25, "seconds": 7.0}}
    assert [row["met"] for row in plain["gates"]] == [False, True]

    made.builds = {"m3w": _NoManifest(), "align": _NoManifest()}  # type: ignore[dict-item]
    made.print()
    text = capsys.readouterr().out
    assert "0.500 NOT MET" in text
    assert "0.500 met" in text
    assert "0.150 .. 0.350" in text
    assert "connections to the forbidden address: 0" in text


class _NoManifest:
    manifest = None


def test_the_fetcher_may_reach_the_demo_website_alone() -> None:
    config = Demo("out", Reporter(quiet=True), quick=True, port=8123).fetch_config()
    assert config.allow_addresses == ("127.0.0.0/8:8123",)
    assert config.delay == 0


def test_a_port_that_is_taken_is_an_error_that_names_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LoomError, match=f"port {port} of loopback.*give another --port"):
            Demo(str(tmp_path), Reporter(quiet=True), quick=True, port=port).run()


def test_an_evaluation_set_holds_each_picture_with_the_number_of_its_class(tmp_path: Path) -> None:
    pictures = drawing.evaluation_pictures(1)[:5]
    write_zero_shot(str(tmp_path), pictures)
    names = (tmp_path / "classnames.txt").read_text().splitlines()
    assert names == drawing.classes()
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "test" / "0.tar").read_bytes())) as tar:
        classes = [tar.extractfile(name).read() for name in tar.getnames() if name.endswith(".cls")]  # type: ignore[union-attr]
        assert len(tar.getnames()) == 10
    assert [names[int(number)] for number in classes] == [picture.label for picture in pictures]
    assert "a large {c}" in (tmp_path / "zeroshot_classification_templates.txt").read_text().splitlines()
    write_zero_shot(str(tmp_path / "unseen"), drawing.unseen_pictures(1))
    every = len(drawing.COLOURS) * len(drawing.SHAPES)
    assert len((tmp_path / "unseen" / "classnames.txt").read_text().splitlines()) == every


def test_figures_are_computed_once_per_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest, asked = ["step-1"], []

    def figures(*arguments: Any, **_: Any) -> dict[str, float]:
        asked.append(arguments)
        return {"top1": float(len(asked))}

    monkeypatch.setattr(checkpoint, "find", lambda run: newest[0])
    monkeypatch.setattr(evaluate, "evaluate", figures)
    demo = Demo(str(tmp_path), Reporter(quiet=True), quick=True, port=1)
    assert [demo.evaluate("zero-shot", "clip", "x/seen/")["top1"] for _ in range(2)] == [1.0, 1.0]
    newest[0] = "step-2"
    assert demo.evaluate("zero-shot", "clip", "x/seen")["top1"] == 2.0
    stored = json.loads((tmp_path / "evaluation" / "clip-seen.json").read_text())
    assert stored == {"checkpoint": "step-2", "figures": {"top1": 2.0}}


def test_steps_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    demo = Demo("out", Reporter(quiet=True), quick=True, port=1)
    with demo.step("scrape"):
        pass
    assert list(demo.seconds) == ["scrape"]
    assert demo.seconds["scrape"] >= 0
    assert demo_steps._gate("g", {"r1": 0.5, "r1_low": 0.4, "r1_high": 0.6, "chance": 0.1}, "r1", 0.3).low == 0.4
