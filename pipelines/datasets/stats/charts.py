"""Charts of a summary as inline SVG, drawn by Altair and rendered offline by vl-convert, without scripts.

A chart is as wide as a phone's screen and its texts keep their size; on a wide screen several stand side by side. Its
colours are those of `COLOURS`, which the page's style replaces in a dark scheme.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import altair as alt
import vl_convert

from corpusloom.pipelines.datasets.stats.histogram import Bar
from corpusloom.pipelines.datasets.stats.statistics import STATISTICS, Distribution, ValueCounts
from corpusloom.pipelines.datasets.stats.summary import StatsSummary
from corpusloom.schemas.records import StageCounts

COLOURS = {
    "ink": ("#22302d", "#e4ebe8"),
    "soft": ("#66736f", "#9aa8a3"),
    "line": ("#dfe5e2", "#33403c"),
    "kept": ("#2f7d6d", "#4fb39e"),
    "rejected": ("#d98c3f", "#e0a05c"),
    "dead": ("#b2424a", "#e0757c"),
}
"""Name -> colour on white, colour on black."""
INK, SOFT, LINE, KEPT, REJECTED, DEAD = (light for light, _ in COLOURS.values())
WIDTH = 320
ROW = 36
"""Height of a bar with the line of text above it."""
LABEL = 52
"""Characters of a line of text, at most."""
STAGES = ("scrape", "extract", "select", "images", "clips", "shards", "regions")
"""Stages in the order in which records pass them."""
UNITS = ("record", "page", "pair", "image", "image_occurrence")
"""Units in the order in which they come to be."""


def to_svg(chart: alt.Chart | alt.LayerChart) -> str:
    """Return a chart as SVG text with a transparent background, WIDTH pixels wide."""
    styled = (
        chart.configure(
            background="transparent", autosize=alt.AutoSizeParams(type="fit", contains="padding"), padding=2
        )
        .configure_view(stroke=None)
        .configure_axis(
            gridColor=LINE, domainColor=LINE, tickColor=LINE, labelColor=SOFT, titleColor=SOFT, labelFontSize=11,
            titleFontSize=11, titleFontWeight="normal",
        )
        .configure_title(color=INK, fontSize=13, anchor="start", fontWeight="bold")
    )  # fmt: skip
    return str(vl_convert.vegalite_to_svg(styled.to_dict(), vl_version="5.20"))


@dataclass(frozen=True, slots=True)
class Line:
    """One bar of a chart with the text above it."""

    text: str
    parts: tuple[tuple[int, str], ...]
    """(number, colour) of each part of the bar, from left to right."""


def lines_chart(title: str, lines: Sequence[Line]) -> str:
    """Return horizontal bars of one unit. The numbers are in the texts, so there is no axis."""
    rows: list[dict[str, Any]] = []
    for place, line in enumerate(lines):
        ends = accumulate(number for number, _ in line.parts)
        rows += [
            {"line": place, "from": end - number, "to": end, "colour": colour}
            for end, (number, colour) in zip(ends, line.parts, strict=True)
        ]
    texts = [{"line": place, "text": _cut(line.text)} for place, line in enumerate(lines)]
    most = max((sum(number for number, _ in line.parts) for line in lines), default=0) or 1
    y = alt.Y("line:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))
    x = alt.X("from:Q", axis=None, scale=alt.Scale(domain=[0, most], nice=False))
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(height=10, yOffset=8)
        .encode(x=x, x2="to:Q", y=y, color=alt.Color("colour:N", scale=None))
    )
    words = (
        alt.Chart(alt.Data(values=texts))
        .mark_text(align="left", baseline="middle", dy=-7, fontSize=12, color=INK)
        .encode(x=alt.value(0), y=y, text="text:N")
    )
    return to_svg(alt.LayerChart(layer=[bars, words], width=WIDTH, height=ROW * len(lines) + 24, title=title))


def _cut(text: str) -> str:
    return text if len(text) <= LABEL else f"{text[: LABEL - 1]}…"


def _place_of(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)


def _units(found: Iterable[str]) -> list[str]:
    return sorted(dict.fromkeys(found), key=lambda unit: _place_of(unit, UNITS))


def funnel_charts(funnel: Iterable[StageCounts]) -> dict[str, str]:
    """Return one chart per unit, in the order in which they come to be: a bar per stage, in the order of the stages."""
    steps = sorted(funnel, key=lambda row: _place_of(row.stage, STAGES))
    return {
        unit: lines_chart(f"{unit.replace('_', ' ')}s", [_step(row) for row in steps if row.unit == unit])
        for unit in _units(row.unit for row in steps)
    }


def _step(row: StageCounts) -> Line:
    rejected, dead = sum(row.rejected.values()), sum(row.dead.values())
    ended = ((row.kept, "kept", KEPT), (rejected, "rejected", REJECTED), (dead, "dead", DEAD))
    text = ", ".join(f"{number:,} {name}" for number, name, _ in ended if number or name == "kept")
    return Line(f"{row.stage}: {text}", tuple((number, colour) for number, _, colour in ended))


def reason_charts(rejected: dict[str, int], most: int = 12) -> dict[str, str]:
    """Return one chart per unit of the commonest reasons why records were not kept, in the order of the stages."""
    by_unit: dict[str, list[tuple[str, str, int]]] = {}
    for name, count in rejected.items():
        stage, unit, reason = name.split("/", 2)
        by_unit.setdefault(unit, []).append((stage, reason, count))
    charts = {}
    for unit in _units(by_unit):
        shown = sorted(by_unit[unit], key=lambda row: (-row[2], row))[:most]
        shown.sort(key=lambda row: (_place_of(row[0], STAGES), -row[2], row[1]))
        lines = [Line(f"{stage}: {reason} {count:,}", ((count, REJECTED),)) for stage, reason, count in shown]
        charts[unit] = lines_chart(f"{unit.replace('_', ' ')}s not kept", lines)
    return charts


def bars_chart(counts: dict[str, int], *, title: str, most: int = 12) -> str:
    """Return a bar chart of the `most` largest counts."""
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    return lines_chart(title, [Line(f"{name} {count:,}", ((count, KEPT),)) for name, count in largest])


def histogram_chart(bars: tuple[Bar, ...], *, title: str, counted: str = "samples") -> str:
    """Return the histogram of one column.

    Bars of equal width show numbers. On a logarithmic axis they show a density, numbers per doubling of the value,
    since bars between small whole numbers are wider than others; zeros are told in the title.
    """
    even = _is_linear(bars)
    zeros = sum(count for low, _, count in bars if low <= 0) if not even else 0
    single = even and bars[0][1] - bars[0][0] == 1 and bars[0][0] == int(bars[0][0])
    shift = 0.5 if single else 0.0  # a whole number stands at the middle of its bar
    rows: list[dict[str, Any]] = [
        {"low": low - shift, "high": high - shift, "count": count if even else count / math.log2(high / low)}
        for low, high, count in bars
        if even or low > 0
    ]
    x = alt.X(
        "low:Q", title=None, axis=alt.Axis(tickCount=5, format="~s", grid=False),
        scale=alt.Scale(zero=False, nice=False) if even else alt.Scale(type="log", nice=False),
    )  # fmt: skip
    y = alt.Y(
        "count:Q", title=counted if even else f"{counted} per doubling",
        axis=alt.Axis(tickMinStep=1, tickCount=4, format="~s"),
    )  # fmt: skip
    base = alt.Chart(alt.Data(values=rows)).mark_bar(color=KEPT, orient="vertical", stroke=None)
    chart = base.encode(x=x, x2="high:Q", y=y)
    name = f"{title}; {zeros:,} are 0" if zeros else title
    return to_svg(chart.properties(width=WIDTH, height=170, title=name))


def _is_linear(bars: tuple[Bar, ...]) -> bool:
    """Return whether bars have equal widths, but for rounding."""
    widths = [high - low for low, high, _ in bars]
    return max(widths) - min(widths) <= 1e-6 * max(widths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """The charts of a report, as SVG; those that would be empty are left out."""

    funnel: dict[str, str]
    """Unit -> bars of the stages."""
    reasons: dict[str, str]
    """Unit -> bars of the reasons why records were not kept."""
    counts: dict[str, str]
    """Label of a statistic -> bars of its commonest values."""
    histograms: tuple[str, ...]


def charts_of(summary: StatsSummary) -> Charts:
    """Draw the charts of a report."""
    return Charts(
        funnel=funnel_charts(summary.funnel),
        reasons=reason_charts(summary.rejected),
        counts={
            item.label: bars_chart(summary.counts[item.name], title=item.label)
            for item in STATISTICS
            if isinstance(item, ValueCounts) and item.chart and summary.counts[item.name]
        },
        histograms=tuple(
            histogram_chart(
                summary.histograms[item.name], title=item.title or item.name.replace("_", " "), counted=item.counted
            )
            for item in STATISTICS
            if isinstance(item, Distribution) and item.chart and _has_shape(summary, item.name)
        ),
    )


def _has_shape(summary: StatsSummary, name: str) -> bool:
    """Return whether a histogram has more than one bar; a column with a single value is shown only in the table."""
    return len(summary.histograms.get(name, ())) > 1
