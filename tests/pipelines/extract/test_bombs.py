"""Extraction of any page ends within 2 CPU seconds of a core that is not busy, and 300 MB, and keeps the text."""

import json
import subprocess
import sys
from pathlib import Path

from tests.pipelines.extract.bombs import BOMBS

ROOT = Path(__file__).parents[3]


def test_bombs_cost_little_and_leave_the_text_before_them() -> None:
    command = [sys.executable, "-m", "tests.pipelines.extract.bombs"]  # so that the peak is of this bomb alone
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=250)
    measured = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["name"] for row in measured] == list(BOMBS)
    assert [row for row in measured if row["result"] != "Extracted" or not row["text"]] == []
    assert [row for row in measured if row["seconds"] >= 2 * row["slowness"] or row["peak"] >= 300] == []
