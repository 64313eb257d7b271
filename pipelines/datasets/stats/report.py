"""The HTML report of a dataset: one self-contained page without scripts or external resources."""

import jinja2

from corpusloom.pipelines.datasets.stats.charts import COLOURS, charts_of
from corpusloom.pipelines.datasets.stats.gallery import gallery
from corpusloom.pipelines.datasets.stats.statistics import STATISTICS, Total, ValueCounts
from corpusloom.pipelines.datasets.stats.summary import StatsSummary, figure
from corpusloom.schemas import storage
from corpusloom.schemas.manifest import read_manifest


def render(summary: StatsSummary, samples: int = 12) -> str:
    """Return the report's HTML with `samples` samples. All texts are escaped; only the charts' SVG is not."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("corpusloom.pipelines.datasets.stats", "."),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    totals = [item for item in STATISTICS if isinstance(item, Total)]
    tiles = [
        ("samples", f"{summary.samples:,}"),
        *((item.label, figure(summary.totals[item.name])) for item in totals),
        ("shards", f"{summary.shards:,}"),
        ("MB of tars", f"{summary.tar_bytes / 1e6:,.1f}"),
    ]
    listed = [
        (item.label, summary.counts[item.name])
        for item in STATISTICS
        if isinstance(item, ValueCounts) and not item.chart and summary.counts[item.name]
    ]
    shown = list(gallery(summary.dataset, read_manifest(summary.dataset), samples))
    name = summary.dataset.rstrip("/").rsplit("/", 1)[-1]
    template = environment.get_template("report.html.j2")
    return template.render(
        summary=summary,
        name=name,
        tiles=tiles,
        charts=charts_of(summary),
        listed=listed,
        samples=shown,
        colours=COLOURS,
        figure=figure,
    )


def write_report(summary: StatsSummary, path: str) -> None:
    """Write the report to a file."""
    storage.write_bytes(path, render(summary).encode())
