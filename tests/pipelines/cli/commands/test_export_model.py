"""`loom export-model` writes a run's model, and says what it wrote."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.training.config import load_config
from tests.trainers.datasets import coloured_pairs, write_pairs


def test_a_run_is_exported_as_text_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(8))
    short = ["train.steps=1", "train.warmup=0", "train.batch_size=4", "train.workers=0"]
    run("clip", load_config("clip-tiny", short), [data], str(tmp_path / "run"))
    argv = ["export-model", str(tmp_path / "run"), "--to", "open_clip", "--out"]
    assert main.run([*argv, str(tmp_path / "out")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{tmp_path / 'out'}: clip of step 1, ")
    assert "open_clip_config.json, open_clip_model.safetensors" in second
    assert main.run([*argv, str(tmp_path / "again"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["family"] == "clip"
    assert main.run(["export-model", str(tmp_path / "out"), "--to", "open_clip", "--out", str(tmp_path / "third")]) == 0
    assert f": clip of {tmp_path / 'out'}, " in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"CLIPModel has no ResNet .*--to open_clip"):
        main.run(["export-model", str(tmp_path / "run"), "--to", "hf", "--out", str(tmp_path / "hf")])
