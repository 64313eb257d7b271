"""`loom stats` prints a summary or JSON, and writes one HTML page that is recorded as made from the dataset."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.store import lineage
from corpusloom.schemas.manifest import read_manifest
from tests.pipelines.small_web import SmallWeb


def test_json_holds_the_figures_of_the_manifest(web: SmallWeb, capsys: pytest.CaptureFixture[str]) -> None:
    align = str(web.folder / "align")
    assert main.run(["stats", align, "--json", "--scheduler", "synchronous"]) == 0
    found = json.loads(capsys.readouterr().out)
    manifest = read_manifest(align)
    assert (found["samples"], found["digest"], found["kind"]) == (manifest.samples, manifest.digest, "pairs")


def test_the_table_ends_with_the_sums_and_names_the_report(
    web: SmallWeb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    align, page = str(web.folder / "align"), tmp_path / "report.html"
    assert main.run(["stats", align, "--html", str(page)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"{read_manifest(align).samples:,} samples, " in lines[-2]
    assert lines[-1] == f"report: {page}"
    assert page.read_text().startswith("<!doctype html>")
    assert str(page) in {made.path for made in lineage.read(align)}
