"""Tables for people: one line per stage and unit, complete when the output is a file."""

import dataclasses
from collections import defaultdict
from pathlib import Path

import pytest

from corpusloom.pipelines.cli.text_tables import PLAIN_WIDTH, print_build, print_counts, print_summary, table_console
from corpusloom.pipelines.datasets.stats.summary import StatsSummary
from corpusloom.schemas.records import StageCounts

MANY = {f"reason_{number}": 100 - number for number in range(8)}
ROW = StageCounts(stage="pages", unit="page", records_in=1_234, kept=500, rejected={"too_short": 730}, dead={"Oops": 4})


def lines(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """Return the words of each printed line."""
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_a_row_adds_rejected_and_dead_and_lists_reasons_commonest_first(capsys: pytest.CaptureFixture[str]) -> None:
    print_counts([ROW], "m3w: out")
    title, header, row = lines(capsys)
    assert title == ["m3w:", "out"]
    assert header == ["stage", "unit", "in", "kept", "rejected", "dead", "reasons"]
    assert row == ["pages", "page", "1,234", "500", "730", "4", "too_short", "730,", "Oops", "4"]


def test_six_reasons_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_counts([dataclasses.replace(ROW, rejected=MANY, dead={})], "")
    text = capsys.readouterr().out
    assert "reason_5 95 ..." in text
    assert "reason_6" not in text
    print_counts([dataclasses.replace(ROW, rejected=dict(list(MANY.items())[:6]), dead={})], "")
    assert "..." not in capsys.readouterr().out


def test_a_table_in_a_file_is_wide(capsys: pytest.CaptureFixture[str]) -> None:
    assert table_console().width == PLAIN_WIDTH
    print_counts([dataclasses.replace(ROW, unit="u" * 60)], "")
    assert "u" * 60 in capsys.readouterr().out


def summary() -> StatsSummary:
    """Return statistics of a dataset with two columns, of which one holds no value."""
    quantiles = {"width": {"min": 1, "p05": 2, "p50": 3, "p95": 4, "max": 5.25, "mean": 12_345.6}, "height": {}}
    return StatsSummary(
        dataset="data/m3w", recipe="m3w", kind="interleaved", digest="d", samples=1_000, shards=3, tar_bytes=4_560_000,
        funnel=(ROW,), rejected={}, quantiles=quantiles, histograms={}, counts=defaultdict(dict, languages={"en": 900}),
        totals=defaultdict(int, images=2_000, text_characters=5_000),
    )  # fmt: skip


def test_a_summary_shows_the_funnel_the_quantiles_and_the_sums(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(summary())
    found = lines(capsys)
    assert found[0] == ["m3w:", "data/m3w"]
    assert ["column", "min", "p05", "p50", "p95", "max", "mean"] in found
    assert ["width", "1", "2", "3", "4", "5.25", "1.235e+04"] in found
    assert "height" not in {line[0] for line in found if line}
    assert " ".join(found[-1]) == "1,000 samples, 2,000 images, 5,000 characters of text, 3 shards, 4.6 MB"


def test_seconds_stand_beside_the_first_row_of_their_stage(capsys: pytest.CaptureFixture[str]) -> None:
    from corpusloom.pipelines.builds.config import BuildReport, summarize

    rows = (ROW, dataclasses.replace(ROW, unit="image"), dataclasses.replace(ROW, stage="shards"))
    report = BuildReport(manifest=None, reused=("extract", "pages"), seconds={"pages": 12.34}, counts=rows)
    print_build(report, summarize(report), str(Path("data") / "m3w"))
    found = lines(capsys)
    assert found[0] == ["stages", "of", "data/m3w"]
    assert found[1][-2:] == ["seconds", "reasons"]
    assert [line[6] for line in found[2:5]] == ["12.3", "too_short", "too_short"]
    assert found[-1] == ["reused:", "extract,", "pages"]
