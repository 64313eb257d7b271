"""Charts are inline SVG without scripts, and an empty one is not drawn."""

import dataclasses

import pytest

from corpusloom.pipelines.datasets.stats.charts import bars_chart, charts_of, funnel_chart, histogram_chart
from corpusloom.pipelines.datasets.stats.summary import StatsSummary
from corpusloom.schemas.records import StageCounts

SUMMARY = StatsSummary(
    dataset="data", recipe="m3w", kind="interleaved", digest="0", samples=3, shards=1, tar_bytes=1,
    funnel=(StageCounts(stage="select", unit="page", records_in=5, kept=3, rejected={"short": 1}, dead={"error": 1}),),
    rejected={"select/page/short": 1}, totals={"images": 3, "text_characters": 9},
    counts={"languages": {"en": 3}, "formats": {}, "domains": {"a.example": 3}, "opt_outs": {}},
    quantiles={}, histograms={"images": ((1.0, 2.0, 2), (2.0, 3.0, 1)), "width": ((1.0, 2.0, 3),)},
)  # fmt: skip


def test_the_funnel_names_stages_and_outcomes() -> None:
    svg = funnel_chart(SUMMARY.funnel)
    assert svg.startswith("<svg")
    assert "<script" not in svg
    assert all(word in svg for word in ("select: page", "kept", "rejected", "dead"))


def test_bars_are_the_largest_counts_with_their_numbers() -> None:
    svg = bars_chart({"rare": 1, "common": 1234, "middle": 5}, title="the title", most=2)
    assert "the title" in svg
    assert "1,234" in svg
    assert svg.index("common<") < svg.index("middle<")
    assert "rare" not in svg


def test_equal_bars_are_sorted_by_name() -> None:
    svg = bars_chart({"b": 1, "a": 1}, title="x")
    assert svg.index(">a<") < svg.index(">b<")
    assert bars_chart({str(n): n for n in range(20)}, title="x").count("<text") >= 12


def test_a_histogram_has_its_title() -> None:
    assert "text length" in histogram_chart(((1.0, 2.0, 2), (2.0, 3.0, 1)), title="text length")


def test_a_report_has_the_charts_that_show_something() -> None:
    found = charts_of(SUMMARY)
    assert found.funnel.startswith("<svg")
    assert found.reasons is not None
    assert list(found.counts) == ["Samples per registered domain"]
    assert len(found.histograms) == 1  # a width of one bar has no shape; the others have no values


@pytest.mark.parametrize("part", ["rejected", "counts"])
def test_empty_charts_are_not_drawn(part: str) -> None:
    empty = {"rejected": {}, "counts": {name: {} for name in SUMMARY.counts}}
    found = charts_of(dataclasses.replace(SUMMARY, **{part: empty[part]}))
    assert (found.reasons if part == "rejected" else found.counts) in (None, {})
