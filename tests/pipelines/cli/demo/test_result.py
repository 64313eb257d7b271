"""The demo's gates, and its result as tables and as JSON."""

import pytest

from corpusloom.pipelines.cli.demo.result import DemoResult, Gate, Training
from corpusloom.pipelines.stages.scrape.scrape import ScrapeReport


def gate(value: float, wanted: float | None) -> Gate:
    return Gate("clip zero-shot top-1", value, value - 0.1, value + 0.1, 0.01, wanted)


def result(*gates: Gate, canary: int = 0) -> DemoResult:
    return DemoResult(
        "demo",
        ScrapeReport(counts=(), warcs=()),
        {},
        list(gates),
        {"clip": Training(12, 3.25, 7.0)},
        {"scrape": 1.234},
        canary,
    )


@pytest.mark.parametrize(("value", "wanted", "met"), [(0.5, 0.5, True), (0.49, 0.5, False), (0.0, None, True)])
def test_a_gate_is_met_at_the_figure_that_is_wanted(value: float, wanted: float | None, met: bool) -> None:
    assert gate(value, wanted).met == met


def test_all_gates_must_be_met_and_the_forbidden_address_left_alone() -> None:
    assert result(gate(0.5, 0.5), gate(0.1, None)).gates_met
    assert not result(gate(0.5, 0.5), gate(0.4, 0.5)).gates_met
    assert not result(gate(0.5, 0.5), canary=1).gates_met


def test_the_result_is_printed_and_given_as_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    made = result(gate(0.25, 0.5), gate(0.75, 0.5))
    plain = made.to_plain()
    assert (plain["gates_met"], plain["canary_connections"], plain["seconds"]) == (False, 0, {"scrape": 1.23})
    assert plain["losses"] == {"clip": {"steps": 12, "loss": 3.25, "seconds": 7.0}}
    assert [row["met"] for row in plain["gates"]] == [False, True]

    made.builds = {"m3w": _NoManifest(), "align": _NoManifest()}  # type: ignore[dict-item]
    made.print()
    text = capsys.readouterr().out
    assert "0.500 NOT MET" in text
    assert "0.500 met" in text
    assert "0.150 .. 0.350" in text
    assert "connections to the forbidden address: 0" in text


class _NoManifest:
    manifest = None
