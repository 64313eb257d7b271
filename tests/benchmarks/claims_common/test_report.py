"""Rows are printed as a table or as JSON, and time that is over has an exit code of its own."""

import json
from dataclasses import dataclass

import pytest

from benchmarks.claims_common.report import report, run_command
from corpusloom.schemas.errors import LoomError


@dataclass
class Row:
    value: int


def test_rows_are_printed_as_json_or_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(lambda: [Row(1), Row(2)], str, minutes=1, as_json=True) == 0
    assert [json.loads(line)["value"] for line in capsys.readouterr().out.splitlines()] == [1, 2]
    assert report(lambda: [Row(1)], lambda rows: f"{len(rows)} row", minutes=1, as_json=False) == 0
    assert capsys.readouterr().out == "1 row\n"


def test_time_that_is_over_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def late() -> list[Row]:
        raise TimeoutError("base")

    assert report(late, str, minutes=45, as_json=False) == 3
    assert "45 minutes are over, in base" in capsys.readouterr().err


@dataclass(frozen=True)
class Flags:
    """Flags of a command."""

    code: int = 3


def test_a_command_ends_with_its_code_or_with_the_text_of_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["claims", "--code", "5"])
    with pytest.raises(SystemExit) as ended:
        run_command(lambda flags: flags.code, Flags, "About it.")
    assert ended.value.code == 5

    def fail(flags: Flags) -> int:
        raise LoomError("no scenes", where="world")

    with pytest.raises(SystemExit) as ended:
        run_command(fail, Flags, None)
    assert "no scenes" in str(ended.value.code)
