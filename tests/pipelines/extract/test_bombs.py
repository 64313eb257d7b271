"""Any input at all: a page ends within 2 CPU seconds and 300 MB, and what stands before the bomb is kept."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines.extract.bombs import BOMBS

ROOT = Path(__file__).parents[3]
Measured = dict[str, dict]


@pytest.fixture(scope="module")
def measured() -> Measured:
    """Every bomb in one process of its own, whose peak of memory is nobody else's."""
    command = [sys.executable, "-m", "tests.pipelines.extract.bombs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=110)
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_little_and_leaves_the_text_before_it(name: str, measured: Measured) -> None:
    found = measured[name]
    assert found["result"] == "Extracted", found
    assert found["text"], found
    assert found["seconds"] < 2, found
    assert found["peak"] < 300, found
