"""CONTRIBUTING.md, followed step by step in a copy of the repository: each recipe works as it is written."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks, copy_repository, sections

SECTIONS = sections("CONTRIBUTING.md")
PATIENCE = 300
"""Seconds until a command counts as stuck."""


def run(folder: Path, *argv: str, code: int = 0) -> str:
    """Run Python in a copy of the repository; return its output, errors included."""
    done = subprocess.run(
        [sys.executable, *argv], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == code, f"{argv} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def test_of(folder: Path, *places: str, code: int = 0) -> str:
    """Run tests of a copy; return what pytest printed."""
    return run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *places, code=code)


test_of.__test__ = False  # type: ignore[attr-defined]


def blocks_of(title: str) -> list[Block]:
    """Return the blocks of a section; a section without one is an error."""
    found = list(blocks(SECTIONS[title]))
    assert found, title
    return found


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the repository in which every recipe was followed."""
    folder = copy_repository(tmp_path_factory.mktemp("copy"))
    for title in SECTIONS:
        for block in blocks(SECTIONS[title]):
            block.apply(folder)
    for command in re.findall(r"^\t\$\(BIN\)/python (.+)$", makefile_target("generated"), re.M):
        run(folder, *command.split())
    return folder


def makefile_target(name: str) -> str:
    """Return the commands of a target."""
    text = (Path(__file__).parents[2] / "Makefile").read_text("utf-8")
    found = re.search(rf"^{name}:.*\n((?:\t.*\n)+)", text, re.M)
    assert found, f"make {name}"
    return found[1]


BUILD = """
import json, sys
from pathlib import Path
from corpusloom.pipelines.datasets.why import why
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas.manifest import read_manifest
from tests.pipelines.small_web import small_web

with small_web(Path(sys.argv[1])) as web:
    web.scrape()
    web.build("galleries", "galleries")
    web.build(load_recipe("m3w", ["filters.max_capital_words=0.0"]), "no-capitals")
"""


@pytest.fixture(scope="module")
def built(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of two datasets of the small web: by the example recipe, and with the strictest filter."""
    folder = tmp_path_factory.mktemp("built")
    run(copy, "-c", BUILD, str(folder))
    return folder


def rejected(dataset: Path) -> dict[str, int]:
    """Return reason -> pages that the select stage of a dataset rejected."""
    manifest = json.loads((dataset / "manifest.json").read_text("utf-8"))
    (counts,) = (row for row in manifest["counts"] if (row["stage"], row["unit"]) == ("select", "page"))
    found: dict[str, int] = counts["rejected"]
    return found


def test_a_page_is_rejected_by_the_example_filter_for_its_reason(built: Path) -> None:
    assert rejected(built / "no-capitals")["too_many_capitals"] > 0


def test_the_example_recipe_builds_a_dataset(built: Path) -> None:
    manifest = json.loads((built / "galleries" / "manifest.json").read_text("utf-8"))
    assert manifest["recipe"] == "galleries"
    assert manifest["samples"] > 0
    assert rejected(built / "galleries")["no_image"] > 0
    assert "too_few_words" not in rejected(built / "galleries")


def test_the_example_statistic_is_shown_everywhere(copy: Path, built: Path) -> None:
    dataset, page = str(built / "galleries"), built / "report.html"
    found = json.loads(run(copy, "-m", "corpusloom", "stats", dataset, "--json", "--quiet"))
    assert found["splits"] == {"train": found["samples"]}
    assert f"Samples per split: train {found['samples']}" in run(
        copy, "-m", "corpusloom", "stats", dataset, "--html", str(page), "--quiet"
    )
    assert "Samples per split" in page.read_text("utf-8")


GUARDS = (
    "tests/pipelines/filters/test_capitals.py",
    "tests/pipelines/recipes/test_rules.py",
    "tests/pipelines/recipes/test_in_force.py",
    "tests/pipelines/recipes/test_key_table.py",
    "tests/pipelines/recipes/test_recipe.py",
    "tests/pipelines/filters/test_versions.py",
    "tests/test_layout.py",
)
"""Tests of what a recipe of the page touches; they pass when all of it was followed."""


def test_the_guards_pass_when_every_step_was_followed(copy: Path) -> None:
    test_of(copy, *GUARDS)


@pytest.mark.parametrize(("forgotten", "guard", "message"), [
    (
        "pipelines/recipes/rules.py",
        "tests/pipelines/recipes/test_rules.py",
        "a filter needs its line in recipes/rules.py",
    ),
    ("pipelines/recipes/m3w.toml", "tests/pipelines/recipes/test_rules.py", "a filter needs its table in a recipe"),
    ("tests/pipelines/filters/test_capitals.py", "tests/test_layout.py", "pipelines/filters/capitals.py"),
])  # fmt: skip
def test_a_forgotten_step_of_a_filter_is_caught(
    forgotten: str, guard: str, message: str, tmp_path: Path
) -> None:
    folder = copy_repository(tmp_path)
    for block in blocks_of("Add a filter"):
        if block.path != forgotten:
            block.apply(folder)
    assert message in test_of(folder, guard, code=1)
