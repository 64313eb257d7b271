"""`loom import-model` converts pickled weights, and says what it left out."""

import json
from pathlib import Path

import pytest
import torch

from corpusloom.pipelines.cli import main


def test_weights_are_converted_as_text_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    torch.save({"w": torch.ones(2, 3), "epoch": 4}, tmp_path / "in" / "model.pt")
    (tmp_path / "c.json").write_text('{"model_type": "clip"}')
    argv = ["import-model", str(tmp_path / "in/model.pt"), "--model-config", str(tmp_path / "c.json"), "--out"]
    assert main.run([*argv, str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path / 'out'}: 1 tensors, 6 parameters, in the layout hf",
        "  left out, no tensors: epoch",
    ]
    assert main.run([*argv, str(tmp_path / "again"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == ["model.safetensors"]
