"""`loom metadata` writes a list of entries that `loom build wit` takes."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main


def test_counts_are_printed_as_text_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "corpus.txt").write_text("a red boat\na red car\n")
    argv = ["metadata", str(tmp_path / "corpus.txt"), "--min-occurrences", "2", "--out", str(tmp_path / "e.txt")]
    assert main.run(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{tmp_path / 'e.txt'}: 102 entries"
    assert lines[1:4] == ["  numbers: 100 new of 100", "  unigrams: 2 new of 2", "  bigrams: 0 new of 0"]
    assert lines[4] == "  no bigram of 6 tokens has 30 bits: lower --min-pmi below 2.585"
    assert main.run([*argv, "--min-pmi", "1.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["added"] == {"numbers": 100, "unigrams": 2, "bigrams": 3}
