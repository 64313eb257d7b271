"""`loom bench-stream` measures each stage and names the one that bounds the others."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from tests.trainers.stream.datasets import make_dataset, make_pairs


def test_throughput_is_measured_by_stage_and_the_slowest_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_dataset(tmp_path, "pairs", make_pairs(24), shards=2)
    assert main.run(["bench-stream", data, "--samples", "16", "--batch-size", "4", "--workers", "1"]) == 0
    text = capsys.readouterr().out
    assert all(stage in text for stage in ("read", "parse", "decode", "batches", "bound by:"))
    assert main.run(["bench-stream", data, "--samples", "8", "--batch-size", "4", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["stages"]) == 4
