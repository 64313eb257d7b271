"""Charts of a summary as inline SVG, drawn by Altair and rendered offline by vl-convert, without scripts."""

from dataclasses import dataclass

import altair as alt
import vl_convert

from corpusloom.pipelines.datasets.stats.statistics import STATISTICS, Distribution, ValueCounts
from corpusloom.pipelines.datasets.stats.summary import StatsSummary
from corpusloom.schemas.records import StageCounts

KEPT, REJECTED, DEAD = "#2f7d6d", "#d98c3f", "#b2424a"
WIDTH = 520


def to_svg(chart: alt.Chart | alt.LayerChart) -> str:
    """Return a chart as SVG text with a transparent background."""
    styled = chart.configure(background="transparent").configure_view(stroke=None).configure_axis(gridColor="#dfe5e2")
    return str(vl_convert.vegalite_to_svg(styled.to_dict(), vl_version="5.20"))


def funnel_chart(funnel: tuple[StageCounts, ...]) -> str:
    """Return the funnel: one bar per stage and unit, divided into kept, rejected and dead."""
    rows = [
        {"step": f"{row.stage}: {row.unit}", "outcome": outcome, "count": count, "order": order}
        for row in funnel
        for order, (outcome, count) in enumerate(
            (("kept", row.kept), ("rejected", sum(row.rejected.values())), ("dead", sum(row.dead.values())))
        )
    ]
    steps = [f"{row.stage}: {row.unit}" for row in funnel]
    chart = (
        alt.Chart(alt.Data(values=rows), width=WIDTH)
        .mark_bar()
        .encode(
            x=alt.X("count:Q", title="records", axis=alt.Axis(tickMinStep=1, tickCount=8, format=",d")),
            y=alt.Y("step:N", sort=steps, title=None),
            color=alt.Color(
                "outcome:N",
                scale=alt.Scale(domain=["kept", "rejected", "dead"], range=[KEPT, REJECTED, DEAD]),
                legend=alt.Legend(orient="top", title=None),
            ),
            order="order:Q",
        )
    )
    return to_svg(chart)


def bars_chart(counts: dict[str, int], *, title: str, most: int = 12, colour: str = KEPT) -> str:
    """Return a horizontal bar chart of the `most` largest counts."""
    rows = [
        {"name": name, "count": count} for name, count in sorted(counts.items(), key=lambda i: (-i[1], i[0]))[:most]
    ]
    axis = alt.Axis(tickMinStep=1, tickCount=8, format=",d")
    base = alt.Chart(alt.Data(values=rows), width=WIDTH).encode(
        x=alt.X("count:Q", title=title, axis=axis), y=alt.Y("name:N", sort=None, title=None)
    )
    numbers = base.mark_text(align="left", dx=4).encode(text=alt.Text("count:Q", format=","))
    return to_svg(base.mark_bar(color=colour) + numbers)


def histogram_chart(bins: tuple[tuple[float, float, int], ...], *, title: str) -> str:
    """Return the histogram of one column from its bars (low, high, count)."""
    rows = [{"low": low, "high": high, "count": count} for low, high, count in bins]
    chart = (
        alt.Chart(alt.Data(values=rows), width=240, height=120)
        .mark_bar(color=KEPT)
        .encode(
            x=alt.X("low:Q", title=title, bin="binned", scale=alt.Scale(zero=False)),
            x2="high:Q",
            y=alt.Y("count:Q", title=None, axis=alt.Axis(tickMinStep=1, tickCount=4, format=",d")),
        )
    )
    return to_svg(chart)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """The charts of a report, as SVG; those that would be empty are left out."""

    funnel: str
    reasons: str | None
    """Bars of the reasons why records were not kept."""
    counts: dict[str, str]
    """Label of a statistic -> bars of its commonest values."""
    histograms: tuple[str, ...]


def charts_of(summary: StatsSummary) -> Charts:
    """Draw the charts of a report."""
    return Charts(
        funnel=funnel_chart(summary.funnel),
        reasons=bars_chart(summary.rejected, title="not kept", colour=REJECTED, most=20) if summary.rejected else None,
        counts={
            item.label: bars_chart(summary.counts[item.name], title=item.label)
            for item in STATISTICS
            if isinstance(item, ValueCounts) and item.chart and summary.counts[item.name]
        },
        histograms=tuple(
            histogram_chart(summary.histograms[item.name], title=item.name.replace("_", " "))
            for item in STATISTICS
            if isinstance(item, Distribution) and item.chart and _has_shape(summary, item.name)
        ),
    )


def _has_shape(summary: StatsSummary, name: str) -> bool:
    """Return whether a histogram has more than one bar; a column with a single value is shown only in the table."""
    return len(summary.histograms.get(name, ())) > 1
