"""Any input at all: a page ends within 2 CPU seconds and 300 MB, and what stands before the bomb is kept."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines.extract.bombs import BOMBS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_little_and_leaves_the_text_before_it(name: str) -> None:
    command = [sys.executable, "-m", "tests.pipelines.extract.bombs", name, "rules"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    assert found["result"] == "Extracted", found
    assert found["text"].startswith("A first paragraph of text.")
    assert found["seconds"] < 2, found
    assert found["growth"] < 300, found
