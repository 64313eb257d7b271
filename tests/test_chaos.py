"""Kill a build of every kind at a random moment; `make chaos` kills them 200 times."""

import json
import subprocess
import sys

import pytest

from tests.chaos import KINDS


@pytest.mark.timeout(900)
def test_builds_killed_four_times_end_in_the_same_digest(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("chaos") / "report.json"
    command = [sys.executable, "-m", "tests.chaos", "--kills", "4", "--report", str(path)]
    subprocess.run(command, check=False, timeout=800)
    report = json.loads(path.read_text())
    assert report["wrong"] == []
    assert report["kills"] == 4
    assert set(report["digests"]) == set(KINDS)
