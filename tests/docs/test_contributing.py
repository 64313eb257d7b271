"""CONTRIBUTING.md, followed step by step in a copy of the repository: each recipe works as it is written."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks, copy_repository, sections

SECTIONS = sections("CONTRIBUTING.md")
PATIENCE = 300
"""Seconds until a command counts as stuck; on a quiet machine all of them together take less than half a minute."""
pytestmark = pytest.mark.timeout(PATIENCE)


def run(folder: Path, *argv: str, code: int = 0) -> str:
    """Run Python in a copy of the repository; return its output, errors included."""
    done = subprocess.run(
        [sys.executable, *argv], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == code, (
        f"{argv} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    return done.stdout + done.stderr


def run_tests(folder: Path, *places: str, code: int = 0) -> str:
    """Run tests of a copy; return what pytest printed."""
    return run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *places, code=code)


def blocks_of(title: str) -> list[Block]:
    """Return the blocks of a section; a section without one is an error."""
    found = list(blocks(SECTIONS[title]))
    assert found, title
    return found


GENERATE = """
import runpy, sys
for line in sys.argv[1:]:
    sys.argv = line.split()
    if sys.argv[0] == "-m":
        sys.argv.pop(0)
        made = lambda: runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        made = lambda: runpy.run_path(sys.argv[0], run_name="__main__")
    try:
        made()
    except SystemExit as ended:
        assert not ended.code, line
"""
"""Runs the lines of `make generated` in one process."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the repository in which every recipe was followed."""
    folder = copy_repository(tmp_path_factory.mktemp("copy"))
    for title in SECTIONS:
        for block in blocks(SECTIONS[title]):
            block.apply(folder)
    run(folder, "-c", GENERATE, *lines_of_make("generated"))
    return folder


def lines_of_make(target: str) -> list[str]:
    """Return what a target gives to Python, line by line."""
    text = (ROOT / "Makefile").read_text("utf-8")
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.M)
    assert found, f"make {target}"
    lines = re.findall(r"^\t\$\(BIN\)/python (.+)$", found[1], re.M)
    assert len(lines) == found[1].count("\n")
    return lines


BUILD = """
import sys
from pathlib import Path
from corpusloom.pipelines.cli.main import run
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas.errors import LoomError
from tests.pipelines.small_web import small_web

TEXT = "The old boat was seen near the river. "
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Type: text/html\\r\\n\\r\\n"
folder = Path(sys.argv[1])
with (folder / "pages.warc").open("wb") as handle:
    for name, text in (("loud", TEXT.upper()), ("calm", TEXT)):
        body = f'<p>{text}</p><img src="/{name}.png">'.encode()
        WarcWriter(handle, compress=False).exchange(
            f"http://a.example/{name}", b"GET / HTTP/1.1\\r\\n\\r\\n", HEAD, body,
            date="2026-01-02T03:04:05Z", address=None, truncated=None)
with small_web(folder) as web:
    web.scrape()
    web.build("galleries", "galleries")
    recipe = load_recipe("m3w", ['filters.order=["capitals"]'])
    web.build(recipe, "m3w", warcs=(str(folder / "pages.warc"),))
    places = ["--out", f"{folder}/few", "--work", f"{folder}/work", "--store", f"{folder}/store"]
    try:
        run(["build", "galleries", *places, "--warc", f"{folder}/crawl", "--min-samples", "1000", "--quiet",
             "--contact", "me@example.org"])
    except LoomError as error:
        print(error)
"""
"""Builds the small web by the example recipe, and one page in capitals with one that is not by m3w."""


@pytest.fixture(scope="module")
def built(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the datasets that BUILD makes in the copy."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "printed.txt").write_text(run(copy, "-c", BUILD, str(folder)), "utf-8")
    return folder


def rejected(dataset: Path) -> dict[str, int]:
    """Return reason -> pages that the select stage of a dataset rejected."""
    manifest = json.loads((dataset / "manifest.json").read_text("utf-8"))
    (counts,) = (row for row in manifest["counts"] if (row["stage"], row["unit"]) == ("select", "page"))
    found: dict[str, int] = counts["rejected"]
    return found


def test_a_page_is_rejected_by_the_example_filter_for_its_reason(built: Path) -> None:
    assert rejected(built / "m3w") == {"too_many_capitals": 1, "top_3_gram": 1}


def test_the_example_recipe_builds_a_dataset(built: Path) -> None:
    manifest = json.loads((built / "galleries" / "manifest.json").read_text("utf-8"))
    assert manifest["recipe"] == "galleries"
    assert manifest["samples"] > 0
    assert rejected(built / "galleries")["no_image"] > 0
    assert "too_few_words" not in rejected(built / "galleries")


def test_the_example_flag_refuses_a_dataset_that_is_too_small(built: Path) -> None:
    samples = json.loads((built / "galleries" / "manifest.json").read_text("utf-8"))["samples"]
    assert f"{samples} samples, fewer than 1000" in (built / "printed.txt").read_text("utf-8")
    assert not (built / "few" / "manifest.json").exists()


STATS = """
import sys
from corpusloom.pipelines.cli.main import run
dataset, page = sys.argv[1:]
assert run(["stats", dataset, "--json", "--quiet"]) == 0
print("END OF JSON")
assert run(["stats", dataset, "--html", page, "--quiet"]) == 0
"""


def test_the_example_statistic_is_in_the_json_the_text_and_the_report(copy: Path, built: Path) -> None:
    page = built / "report.html"
    values, _, text = run(copy, "-c", STATS, str(built / "galleries"), str(page)).partition("END OF JSON")
    found = json.loads(values)
    assert found["splits"] == {"train": found["samples"]}
    assert f"Samples per split: train {found['samples']}" in text
    assert "Samples per split" in page.read_text("utf-8")


EVERY_KEY = "tests/pipelines/builds/test_every_key.py"
LAYOUT = "tests/test_layout.py::test_every_module_has_a_test_file_of_its_name"
GUARDS = (
    "tests/pipelines/filters/test_capitals.py",
    "tests/pipelines/models/test_skin_share.py",
    "tests/pipelines/recipes/test_rules.py",
    "tests/pipelines/recipes/test_in_force.py",
    "tests/pipelines/recipes/test_key_table.py",
    "tests/pipelines/recipes/test_recipe.py",
    "tests/pipelines/filters/test_versions.py::test_changed_code_has_another_version[filters/capitals.py]",
    "tests/pipelines/datasets/stats/test_summary.py::test_the_json_has_each_total_and_each_count_as_a_key_of_its_own",
    "tests/pipelines/datasets/stats/test_statistics.py::test_names_do_not_collide_in_the_json",
    "tests/pipelines/cli/commands/test_build.py::test_every_shared_option_reaches_the_build",
    f"{EVERY_KEY}::test_every_key_has_a_row",
    f"{EVERY_KEY}::test_every_field_of_a_build_has_a_row",
    f"{EVERY_KEY}::test_a_key_changes_its_stages_and_what_is_built[filters.capitals.max_capital_words]",
    f"{EVERY_KEY}::test_a_field_of_a_build_changes_its_stages[min_samples]",
    LAYOUT,
)
"""Tests of what a recipe of the page touches; they pass when all of it was followed."""


def test_what_the_page_adds_is_formatted_and_breaks_no_rule(copy: Path) -> None:
    changed = {block.path for title in SECTIONS for block in blocks(SECTIONS[title]) if block.path.endswith(".py")}
    run(copy, "-m", "ruff", "check", *changed)
    run(copy, "-m", "ruff", "format", "--check", *changed)


def test_the_guards_pass_when_every_step_was_followed(copy: Path) -> None:
    run_tests(copy, *GUARDS)


def test_a_filter_without_its_line_and_its_test_is_caught(tmp_path: Path) -> None:
    folder = copy_repository(tmp_path)
    next(block for block in blocks_of("Add a filter") if block.path == "pipelines/filters/capitals.py").apply(folder)
    found = run_tests(folder, "tests/pipelines/recipes/test_rules.py", LAYOUT, code=1)
    assert "a filter needs its line in recipes/rules.py" in found
    assert "a module needs a test file of its name" in found
    assert "pipelines/filters/capitals.py" in found


def test_a_filter_without_its_table_in_a_recipe_is_caught(tmp_path: Path) -> None:
    folder = copy_repository(tmp_path)
    for block in blocks_of("Add a filter"):
        if not block.path.endswith(".toml"):
            block.apply(folder)
    found = run_tests(folder, "tests/pipelines/recipes/test_rules.py", code=1)
    assert "a filter needs its table in a recipe" in found
