"""`loom train` describes and prints a configuration without data, and needs a folder for checkpoints."""

import json
import sys

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError


def test_print_config_shows_changed_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["train", "clip", "--config", "clip-tiny", "--set", "train.steps=70", "--print-config"]) == 0
    assert json.loads(capsys.readouterr().out)["train"]["steps"] == 70


def test_a_dry_run_counts_parameters_as_text_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["train", "clip", "--config", "clip-tiny", "--dry-run", "--json"]) == 0
    total = json.loads(capsys.readouterr().out)["parameters"]["total"]
    assert total > 0
    assert main.run(["train", "clip", "--config", "clip-tiny", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith(f"clip-tiny: {total:,} parameters, ")


def test_training_needs_a_folder_for_checkpoints() -> None:
    with pytest.raises(ConfigError, match=r"no folder for checkpoints \(give it as --out\)"):
        main.run(["train", "clip", "--config", "clip-tiny", "--data", "no/such/dataset"])


def test_torch_is_asked_for_by_the_name_of_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r"loom train: torch is not installed \(pip install 'corpusloom\[train\]'\)"):
        main.run(["train", "clip", "--config", "clip-tiny", "--dry-run"])
    with pytest.raises(ConfigError, match=r"loom eval: torch"):
        main.run(["eval", "zero-shot", "--checkpoint", "c", "--data", "d"])
