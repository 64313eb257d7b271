"""Charts are inline SVG without scripts, one unit each, with numbers; an empty one is not drawn."""

import dataclasses
import re

import pytest

from corpusloom.pipelines.datasets.stats.charts import (
    DEAD,
    KEPT,
    LABEL,
    REJECTED,
    WIDTH,
    bars_chart,
    charts_of,
    funnel_charts,
    histogram_chart,
    reason_charts,
)
from corpusloom.pipelines.datasets.stats.summary import StatsSummary
from corpusloom.schemas.records import StageCounts

SUMMARY = StatsSummary(
    dataset="data", recipe="m3w", kind="interleaved", digest="0", samples=3, shards=1, tar_bytes=1,
    funnel=(StageCounts(stage="select", unit="page", records_in=5, kept=3, rejected={"short": 1}, dead={"error": 1}),),
    rejected={"select/page/short": 1}, totals={"images": 3, "text_characters": 9},
    counts={"languages": {"en": 3}, "formats": {}, "domains": {"a.example": 3}, "opt_outs": {}},
    quantiles={}, histograms={"images": ((1.0, 2.0, 2), (2.0, 3.0, 1)), "width": ((1.0, 2.0, 3),)},
)  # fmt: skip


FUNNEL = (
    StageCounts(stage="extract", unit="record", records_in=9, kept=9),
    StageCounts(stage="images", unit="image", records_in=40, kept=30, dead={"timeout": 10}),
    StageCounts(stage="extract", unit="page", records_in=1_234, kept=1_234),
    *SUMMARY.funnel,
    StageCounts(stage="shards", unit="page", records_in=3, kept=2, rejected={"few_images": 1}),
)


def test_the_funnel_has_one_chart_per_unit_with_the_stages_in_order() -> None:
    found = funnel_charts(FUNNEL)
    assert list(found) == ["record", "page", "image"]
    assert all(svg.startswith("<svg") and "<script" not in svg for svg in found.values())
    page = found["page"]
    steps = ("extract: 1,234 kept<", "select: 3 kept, 1 rejected, 1 dead<", "shards: 2 kept, 1 rejected<")
    places = [page.index(text) for text in steps]
    assert places == sorted(places)
    assert ">pages<" in page
    assert "40" not in page
    assert all(colour in page for colour in (KEPT, REJECTED, DEAD))


def test_reasons_have_one_chart_per_unit_in_order_of_the_stages() -> None:
    found = reason_charts({
        "shards/page/few_images": 900, "select/page/short": 4, "select/page/long": 5, "images/image/http_404": 7,
        "extract/record/not_html": 1,
    })  # fmt: skip
    assert list(found) == ["record", "page", "image"]
    page = found["page"]
    order = [page.index(text) for text in ("select: long 5", "select: short 4", "shards: few_images 900")]
    assert order == sorted(order)


def test_of_many_reasons_the_commonest_are_shown() -> None:
    (svg,) = reason_charts({f"select/page/r{n:02d}": n + 1 for n in range(20)}, most=3).values()
    assert all(text in svg for text in ("r19 20", "r18 19", "r17 18"))
    assert "r16" not in svg


def test_bars_are_the_largest_counts_with_their_numbers() -> None:
    svg = bars_chart({"rare": 1, "common": 1234, "middle": 5}, title="the title", most=2)
    assert "the title" in svg
    assert svg.index("common 1,234<") < svg.index("middle 5<")
    assert "rare" not in svg


def test_equal_bars_are_sorted_by_name() -> None:
    svg = bars_chart({"b": 1, "a": 1}, title="x")
    assert svg.index(">a 1<") < svg.index(">b 1<")


def test_a_long_name_is_cut() -> None:
    svg = bars_chart({"x" * 500: 1}, title="t")
    assert "x" * LABEL not in svg
    assert "…<" in svg


def test_every_chart_is_as_wide_as_a_phone() -> None:
    for svg in (
        bars_chart({"x" * 500: 1}, title="t"),
        histogram_chart(((1.0, 2.0, 2), (2.0, 3.0, 1_000_000)), title="t"),
        *funnel_charts(FUNNEL).values(),
    ):
        found = re.match(r'<svg[^>]* width="([\d.]+)"', svg)
        assert found
        assert abs(float(found[1]) - WIDTH) <= 2


def test_a_histogram_of_even_bars_shows_numbers() -> None:
    svg = histogram_chart(((1.0, 2.0, 2), (2.0, 3.0, 1)), title="text length", counted="images")
    assert ">text length<" in svg
    assert ">images<" in svg
    assert "doubling" not in svg


def test_a_histogram_of_a_wide_range_shows_a_density_and_tells_zeros() -> None:
    svg = histogram_chart(((0.0, 1.0, 1_200), (1.0, 2.0, 4), (2.0, 8.0, 8)), title="text length")
    assert "text length; 1,200 are 0<" in svg
    assert ">samples per doubling<" in svg
    heights = [float(value) for value in re.findall(rf'd="M[^"v]*v([\d.]+)[^"]*" fill="{KEPT}"', svg)]
    assert heights == [pytest.approx(heights[0])] * 2  # 4 over one doubling, 8 over two
    assert heights[0] > 100


def test_a_report_has_the_charts_that_show_something() -> None:
    found = charts_of(SUMMARY)
    assert list(found.funnel) == list(found.reasons) == ["page"]
    assert list(found.counts) == ["Samples per registered domain"]
    assert len(found.histograms) == 1  # a width of one bar has no shape; the others have no values


@pytest.mark.parametrize("part", ["rejected", "counts"])
def test_empty_charts_are_not_drawn(part: str) -> None:
    empty = {"rejected": {}, "counts": {name: {} for name in SUMMARY.counts}}
    found = charts_of(dataclasses.replace(SUMMARY, **{part: empty[part]}))
    assert (found.reasons if part == "rejected" else found.counts) == {}
