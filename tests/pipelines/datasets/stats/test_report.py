"""Summary and report of a built dataset: the sums agree; the page is self-contained and escapes texts from the web."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.datasets.stats.report import render
from corpusloom.pipelines.datasets.stats.summary import StatsConfig, summarise
from corpusloom.schemas.errors import ConfigError
from tests.pipelines.small_web import SmallWeb, small_web


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWeb]:
    """Return a small web with an M3W."""
    with small_web(tmp_path_factory.mktemp("stats")) as made:
        made.scrape()
        made.build("m3w", "m3w", shards=2)
        yield made


def test_the_summary_agrees_with_the_manifest(web: SmallWeb) -> None:
    from corpusloom.schemas.manifest import read_manifest

    summary, manifest = summarise(str(web.folder / "m3w")), read_manifest(str(web.folder / "m3w"))
    assert summary.samples == manifest.samples
    assert summary.funnel == manifest.counts
    assert summary.shards == len(manifest.shards) == 2
    assert sum(summary.counts["formats"].values()) == summary.totals["images"]
    assert summary.counts["languages"] == {"en": summary.samples}


def test_the_report_loads_nothing_and_runs_nothing(web: SmallWeb, tmp_path: Path) -> None:
    assert main.run(["stats", str(web.folder / "m3w"), "--html", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text()
    assert "<script" not in page
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert page.count("data:image/jpeg;base64") >= 10
    assert len(page) < 3_000_000


def test_texts_from_the_web_are_escaped(web: SmallWeb) -> None:
    import dataclasses

    evil = dataclasses.replace(summarise(str(web.folder / "m3w")), recipe="<script>alert(1)</script>")
    assert "<script>alert" not in render(evil)


def test_json_is_the_summary(web: SmallWeb, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["stats", str(web.folder / "m3w"), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["samples"] == summarise(str(web.folder / "m3w"), StatsConfig(scheduler="synchronous")).samples


def test_an_unknown_scheduler_is_a_clear_error(web: SmallWeb) -> None:
    with pytest.raises(ConfigError, match="no scheduler"):
        summarise(str(web.folder / "m3w"), StatsConfig(scheduler="spark"))
