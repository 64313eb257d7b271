"""A row says whether its bound is kept."""

import json

import pytest

from benchmarks.bounded_rows import Row, show


@pytest.mark.parametrize(
    ("value", "lower", "holds"),
    [(0.8, False, True), (0.79, False, False), (0.8, True, True), (0.81, True, False), (None, True, None)],
)
def test_a_bound_is_at_least_or_at_most(value: float | None, lower: bool, holds: bool | None) -> None:
    assert Row("rate", value, 0.8, 0.9, lower).holds is holds


def test_a_row_is_printed_as_a_line_or_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    row = Row("rate", 0.5, 0.8, 0.9, False, "half")
    show(row, as_json=False)
    line = capsys.readouterr().out
    assert line.startswith("rate ")
    assert line.split()[1:] == ["0.500", ">=", "0.800", "aim", "0.9", "MISSED", "half"]
    show(row, as_json=True)
    assert json.loads(capsys.readouterr().out)["holds"] is False
