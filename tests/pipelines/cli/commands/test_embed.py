"""`loom embed` hands its flags on and prints counts, scores and what has no embedding."""

import json
from typing import Any

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.jobs import embed
from corpusloom.trainers.jobs.embed import EmbeddingResult, EmbeddingSettings
from corpusloom.trainers.training import distributed
from tests.pipelines.cli.recorded_calls import record_calls

RESULT = EmbeddingResult(
    out="data.embeddings", images=1200, texts=900, pairs=1300, skipped=3, reasons={"truncated": 3},
    scores={"min": 0.1, "mean": 0.25}, reused=400,
)  # fmt: skip
ARGV = ["embed", "data", "--checkpoint", "run"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the arguments with which embeddings are asked for."""
    return record_calls(monkeypatch, embed, "embed", RESULT)


def test_counts_and_scores_are_printed_and_flags_handed_on(
    asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--out", "o", "--dtype", "bf16", "--batch-size", "7", "--workers", "5", "--device", "cpu"]
    assert main.run([*ARGV, *flags]) == 0
    printed = capsys.readouterr()
    assert printed.out == (
        "data.embeddings: embeddings of 1,200 images and 900 texts\nscores of 1,300 pairs: min 0.100, mean 0.250\n"
    )
    assert "400 embeddings were there before" in printed.err
    assert "3 have no embedding (truncated 3): skipped.parquet lists them" in printed.err
    ((dataset, checkpoint, out, settings), named) = asked[0]
    assert (dataset, checkpoint, out, named["device"]) == ("data", "run", "o", "cpu")
    assert settings == EmbeddingSettings(batch_size=7, workers=5, precision="bf16")


def test_json_is_the_counts(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([*ARGV, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 1200


def test_under_torchrun_rank_0_alone_prints(
    asked: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "prints", lambda: False)
    assert main.run(ARGV) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("flag", ["--batch-size", "--workers"])
def test_numbers_that_make_no_sense_are_refused(flag: str) -> None:
    with pytest.raises(ConfigError, match=f"{flag} is 0"):
        main.run([*ARGV, flag, "0"])
