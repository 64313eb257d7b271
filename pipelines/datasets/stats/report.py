"""The HTML report of a dataset: one self-contained page, no script, nothing loaded from anywhere."""

import jinja2
from markupsafe import Markup

from corpusloom.pipelines.datasets.stats.charts import charts_of
from corpusloom.pipelines.datasets.stats.gallery import gallery
from corpusloom.schemas import storage
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import StatsSummary


def render(summary: StatsSummary, samples: int = 12) -> str:
    """Return the report's HTML. Texts from the web are escaped; charts are our own SVG."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("corpusloom.pipelines.datasets.stats", "."),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    charts = {name: Markup(svg) for name, svg in charts_of(summary).items()}  # noqa: S704 - made by us, above
    tiles = [
        ("samples", f"{summary.samples:,}"),
        ("images", f"{summary.images:,}"),
        ("characters of text", f"{summary.text_characters:,}"),
        ("shards", f"{summary.shards:,}"),
        ("MB of tars", f"{summary.tar_bytes / 1e6:,.1f}"),
    ]
    shown = list(gallery(summary.dataset, read_manifest(summary.dataset), samples))
    name = summary.dataset.rstrip("/").rsplit("/", 1)[-1]
    template = environment.get_template("report.html.j2")
    return template.render(summary=summary, name=name, tiles=tiles, charts=charts, samples=shown)


def write_report(summary: StatsSummary, path: str) -> None:
    """Write the report to a file."""
    storage.write_bytes(path, render(summary).encode())
