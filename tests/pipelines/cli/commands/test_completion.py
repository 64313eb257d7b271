"""`loom completion` prints a script, and nothing else."""

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.cli.argv.completion import script


def test_the_script_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["completion", "bash"]) == 0
    assert capsys.readouterr().out.rstrip() == script("bash").rstrip()
