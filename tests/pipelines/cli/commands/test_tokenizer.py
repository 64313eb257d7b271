"""`loom tokenizer` learns a vocabulary that `loom train` takes."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from tests.trainers.datasets import coloured_pairs, write_pairs


def test_a_vocabulary_is_learnt_as_text_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(30))
    argv = ["tokenizer", data, "--kind", "bpe", "--vocab-size", "540", "--out"]
    assert main.run([*argv, str(tmp_path / "bpe.txt")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'bpe.txt'}: 540 token ids learnt from 30 captions\n"
    assert main.run([*argv, str(tmp_path / "bpe.json"), "--limit", "7", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["captions"] == 7
