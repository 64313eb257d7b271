"""What is shipped: pins that any index carries, and a wheel that holds everything that the commands read."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.nginx import free_port
from corpusloom.pipelines.datasets.verify import verify
from tests.pipelines.command_line import check_interrupted, environment, interrupt_at

ROOT = Path(__file__).parent.parent
READS = """
from corpusloom.pipelines.demo.sites import build_world
from corpusloom.pipelines.extract.extractor import Extracted, extract
from corpusloom.pipelines.filters import obelics
from corpusloom.pipelines.recipes.recipe import load_recipe, recipe_names
from corpusloom.pipelines.datasets.stats.report import jinja2
from corpusloom.trainers.config import config_names, load_config
from corpusloom.trainers.flamingo import language_model
import corpusloom
assert corpusloom.__file__.startswith(__import__("sys").argv[1]), corpusloom.__file__
assert len([load_recipe(name) for name in recipe_names()]) >= 5
assert len([load_config(name) for name in config_names()]) >= 16
world = build_world(pages=1, pictures=2, exam_pages=1)
page = next(page for page in world.pages if page.kind == "good")
made = extract(world.resources[page.host, page.path].body, "http://a.example/")
assert isinstance(made, Extracted) and made.blocks
language_model.load()
loader = jinja2.PackageLoader("corpusloom.pipelines.datasets.stats", ".")
assert loader.list_templates()
"""


def test_pins_have_no_local_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 100
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.!]+", pin) for pin in pins)
    assert "torch==2.13.0" in pins


@pytest.mark.timeout(300)
def test_a_wheel_in_another_folder_runs_the_demo(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(ROOT),
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(tmp_path),
    ]
    subprocess.run(command, check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    site = str(tmp_path / "site")
    subprocess.run([sys.executable, "-c", READS, site], check=True, cwd=tmp_path, env=environment(site))
    argv = ["demo", "--quick", "--port", str(free_port()), "--out", str(tmp_path / "demo")]
    ended = interrupt_at(
        "corpusloom.pipelines.stages.regions.regions:build_dataset",
        tmp_path / "marker",
        *argv,
        cwd=tmp_path,
        env=environment(site),
    )
    check_interrupted(ended)  # scraping and building are done; training has its own tests, and CI runs all of it
    assert {path.name for path in (tmp_path / "demo" / "datasets").iterdir()} == {"m3w", "align", "exam"}
    assert list(verify(str(tmp_path / "demo" / "datasets" / "m3w"))) == []


def test_no_paths_of_a_machine_in_what_is_committed() -> None:
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    for name in names:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".sh", ".txt", ".json") or name in ("Makefile", ".ci/run"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(?<![\w.])/(work|root)/[a-z]", text), name
