"""`loom benchmark-data` writes a dataset that training takes."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from tests.trainers.flamingo.benchmarks.folders import okvqa


def test_a_training_split_is_written_as_a_whole_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = okvqa(tmp_path / "okvqa")
    (tmp_path / "okvqa/train2014/COCO_train2014_000000000001.jpg").unlink()
    out = str(tmp_path / "out")
    assert main.run(["benchmark-data", "okvqa", "--data", data, "--out", out]) == 0
    shown = capsys.readouterr().out
    assert f"{out}: 2 samples of pairs, of okvqa/train2014\n  left out: 1 records (missing_media)\n" in shown
    assert main.run(["verify", out]) == 0
    capsys.readouterr()
    argv = ["benchmark-data", "okvqa", "--data", data, "--out", str(tmp_path / "val"), "--split", "val2014", "--json"]
    assert main.run(argv) == 0
    assert json.loads(capsys.readouterr().out) == {"samples": 3, "kind": "pairs", "skipped": {}}
