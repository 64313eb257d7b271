"""`loom index` makes a dataset of tars that other programs wrote."""

import json
import tarfile
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.trainers.stream.dataset import StreamingDataset
from tests.trainers.stream.datasets import make_dataset, make_pairs


def test_tars_of_others_become_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tars = make_dataset(tmp_path / "tars", "pairs", make_pairs(12), shards=2)
    assert main.run(["index", f"{tars}/{{00000..00001}}.tar", "--out", str(tmp_path / "index"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 12
    assert len(list(StreamingDataset(str(tmp_path / "index"), on_error="raise"))) == 12


def test_members_that_are_not_read_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tars = make_dataset(tmp_path / "tars", "pairs", make_pairs(6), shards=1)
    with tarfile.open(f"{tars}/00000.tar", "a") as tar:
        tar.addfile(tarfile.TarInfo("extra.xyz"))
    index = str(tmp_path / "index")
    assert main.run(["index", f"{tars}/00000.tar", "--out", index, "--kind", "pairs"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{index}: 6 samples of pairs in 1 tars",
        "  not read: 1 members xyz",
    ]
