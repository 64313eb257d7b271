"""`loom index` and `loom bench-stream`: from tars of others to a stream and its figures."""

import json
from pathlib import Path

import pytest

from pipelines import cli
from schemas.errors import InputError
from tests.trainers.stream.datasets import make_dataset, make_pairs
from trainers.stream import StreamingDataset


def test_tars_of_others_become_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tars = make_dataset(tmp_path / "tars", "pairs", make_pairs(12), shards=2)
    assert cli.run(["index", f"{tars}/{{00000..00001}}.tar", "--out", str(tmp_path / "index"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 12
    assert len(list(StreamingDataset(str(tmp_path / "index"), on_error="raise"))) == 12
    with pytest.raises(InputError, match="no build to verify"):
        cli.run(["verify", str(tmp_path / "index")])


def test_throughput_by_stage_and_what_bounds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_dataset(tmp_path, "pairs", make_pairs(24), shards=2)
    assert cli.run(["bench-stream", data, "--samples", "16", "--batch-size", "4", "--workers", "1"]) == 0
    text = capsys.readouterr().out
    assert all(stage in text for stage in ("read", "parse", "decode", "batches", "bound by:"))
    assert cli.run(["bench-stream", data, "--samples", "8", "--batch-size", "4", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["stages"]) == 4
