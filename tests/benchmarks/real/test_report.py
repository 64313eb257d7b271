"""The report: all values in JSON, tables in Markdown, and one verdict over all checks."""

import json
from pathlib import Path

import pytest

from benchmarks.real.checks import Check
from benchmarks.real.commands import Loom, Step
from benchmarks.real.report import Report
from corpusloom.schemas.errors import LoomError
from tests.benchmarks.real.test_checks import COUNTS, MANIFEST


def make(*checks: Check) -> Report:
    return Report(
        machine={"cores": 2},
        material={"small-site-doc": "1.1"},
        megabytes={"WARCs": 5.3},
        steps=[Step("scrape", "loom scrape", 2.61, 1.2, 254.4)],
        scraped=COUNTS[:1],
        manifests={"m3w": MANIFEST},
        checks=checks,
    )


def test_tables_and_json_hold_the_same_values(tmp_path: Path) -> None:
    report = make(Check("pages", True, "2 pages"))
    report.write(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "| scrape | 2.6 | 1.2 | 254 |" in text
    assert "| m3w | select | page | 4 | 3 | 1 | 0 | language 1 |" in text
    assert "| held | pages | 2 pages |" in text
    plain = json.loads((tmp_path / "report.json").read_text())
    assert plain["held"] is True
    assert plain["datasets"]["m3w"]["funnel"][2]["rejected"] == {"language": 1}


def test_one_failed_check_fails_the_report() -> None:
    report = make(Check("pages", True, ""), Check("images", False, "1 unseen: /a.png"))
    assert not report.held
    assert "| **FAILED** | images | 1 unseen: /a.png |" in report.to_markdown()


def test_a_command_is_measured_and_its_failure_ends_the_run(tmp_path: Path) -> None:
    loom = Loom(tmp_path, ("--contact", "a@b.example"))
    assert "corpusloom" in loom.run("version", "--version")
    assert loom.steps[0].memory_mb > 5
    assert loom.steps[0].seconds > 0
    with pytest.raises(LoomError, match="exit code 1"):
        loom.run("stats", "stats", "nowhere")
