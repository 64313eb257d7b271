"""`loom eval` hands its flags to the evaluation and prints one line per figure."""

import json
from typing import Any

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers import evaluate

FIGURES = {"top1": 0.123456, "top1_low": 0.1, "top1_high": 0.15, "top1_chance": 0.01, "chance": 0.01, "images": 200}


@pytest.mark.parametrize(("flag", "value"), [("--limit", "0"), ("--shots", "-1")])
def test_numbers_that_make_no_sense_are_refused(flag: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{flag} is {value}"):
        main.run(["eval", "few-shot", "--checkpoint", "no/such/run", "--data", "no/such/dataset", flag, value])


def test_figures_are_printed_by_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[Any] = []

    def figures(*arguments: Any, **named: Any) -> dict[str, float]:
        asked.append((arguments, named["limit"], named["few_shot"].shots, named["few_shot"].prompt))
        return FIGURES

    monkeypatch.setattr(evaluate, "evaluate", figures)
    argv = [
        "eval",
        "few-shot",
        "--checkpoint",
        "run",
        "--data",
        "data",
        "--limit",
        "9",
        "--shots",
        "0",
        "--prompt",
        "x",
    ]
    assert main.run(argv) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["figure", "value", "95", "%", "interval", "chance"],
        ["top1", "0.1235", "0.1", "to", "0.15", "0.01"],
        ["images", "200"],
    ]
    assert asked == [(("few-shot", "run", "data"), 9, 0, "x")]
    assert main.run([*argv, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == FIGURES
