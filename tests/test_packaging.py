"""The package: pins that any index has, and a wheel and an sdist with every file that the commands read."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.nginx import free_port
from corpusloom.pipelines.datasets.verify import verify
from tests.pipelines.command_line import check_interrupted, environment, interrupt_at

ROOT = Path(__file__).parent.parent
FOLDERS = ("corpusloom", "schemas", "pipelines", "trainers")
FILES = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
READS = """
from corpusloom.pipelines.demo.sites import build_world
from corpusloom.pipelines.extract.extractor import Extracted, extract
from corpusloom.pipelines.filters import obelics
from corpusloom.pipelines.recipes.recipe import load_recipe, recipe_names
from corpusloom.pipelines.datasets.stats.report import jinja2
from corpusloom.trainers.training.config import config_names, load_config
from corpusloom.trainers.flamingo.config import FrozenLanguageConfig
from corpusloom.trainers.flamingo.language_model import load_language
import corpusloom
assert corpusloom.__file__.startswith(__import__("sys").argv[1]), corpusloom.__file__
assert len([load_recipe(name) for name in recipe_names()]) >= 5
assert len([load_config(name) for name in config_names()]) >= 16
world = build_world(pages=1, pictures=2, exam_pages=1)
page = next(page for page in world.pages if page.kind == "good")
made = extract(world.resources[page.host, page.path].body, "http://a.example/")
assert isinstance(made, Extracted) and made.blocks
load_language(FrozenLanguageConfig(weights="bundled"), "")
loader = jinja2.PackageLoader("corpusloom.pipelines.datasets.stats", ".")
assert loader.list_templates()
"""


def test_pins_have_no_local_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 100
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.!]+", pin) for pin in pins)
    assert "torch==2.13.0" in pins


@dataclass(frozen=True)
class Shipped:
    """An sdist, and the wheel that was built from it and unpacked where an environment looks for packages."""

    sdist: tuple[str, ...]
    """Names in the sdist, without its first folder."""
    wheel: tuple[str, ...]
    """Names in the wheel."""
    site: str
    """Folder of the unpacked wheel."""
    python: str
    """Interpreter of an environment that holds corpusloom and nothing else."""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    """Build from a copy, since a build leaves a folder from which a later one would take outdated files."""
    folder = tmp_path_factory.mktemp("shipped")
    for name in FOLDERS:
        leave_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / "source" / name, symlinks=True, ignore=leave_out)
    for name in FILES:
        shutil.copy(ROOT / name, folder / "source")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(folder / "source")]
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    with tarfile.open(sdist) as tar:
        names = [member.name.partition("/")[2] for member in tar if member.isfile()]
    venv.create(folder / "venv", with_pip=False)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        return Shipped(tuple(names), tuple(archive.namelist()), str(site), str(folder / "venv" / "bin" / "python"))


def product_files() -> set[str]:
    """Return every file of the three folders as it is named in a package."""
    found = set()
    for folder, _, names in os.walk(ROOT / "corpusloom", followlinks=True):
        if not folder.endswith("__pycache__"):
            found |= {Path(folder, name).relative_to(ROOT).as_posix() for name in names}
    return found


def test_the_wheel_holds_each_file_once_under_one_name(shipped: Shipped) -> None:
    assert len(shipped.wheel) == len(set(shipped.wheel))
    packaged = {name for name in shipped.wheel if ".dist-info/" not in name}
    assert packaged == product_files()
    assert {name.rpartition(".")[2] for name in packaged} >= {
        "toml",
        "npz",
        "txt",
        "j2",
        "safetensors",
        "json",
        "typed",
    }
    (record,) = Path(shipped.site).glob("*.dist-info/top_level.txt")
    assert record.read_text().split() == ["corpusloom"]


def test_the_sdist_holds_each_file_once_under_one_name(shipped: Shipped) -> None:
    assert len(shipped.sdist) == len(set(shipped.sdist))
    assert {name for name in shipped.sdist if name.startswith("corpusloom/")} == product_files()
    assert {name.partition("/")[0] for name in shipped.sdist if "/" in name} == {"corpusloom", "corpusloom.egg-info"}
    assert set(FILES) <= set(shipped.sdist)


def test_modules_of_a_users_own_names_are_left_alone(shipped: Shipped, tmp_path: Path) -> None:
    for name in ("schemas", "pipelines", "trainers"):
        (tmp_path / f"{name}.py").write_text("OWN = True\n")
    script = tmp_path / "script.py"
    script.write_text(
        "from corpusloom import StreamingDataset, extract, load_recipe, read_manifest\n"
        "pipelines, schemas, trainers = map(__import__, ('pipelines', 'schemas', 'trainers'))\n"
        "assert pipelines.OWN and schemas.OWN and trainers.OWN\n"
        "assert load_recipe('m3w').kind == 'interleaved'\n"
        "assert extract(b'<p>A page of some words.</p>', 'http://a.example/').blocks\n"
    )
    subprocess.run([sys.executable, str(script)], check=True, cwd=tmp_path, env=environment(shipped.site))


@pytest.mark.timeout(300)
def test_a_users_script_is_type_checked_against_the_installed_package(shipped: Shipped, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "from corpusloom import StreamingDataset, load_recipe, read_manifest\n"
        "reveal_type(StreamingDataset('data').state_dict())\n"
        "reveal_type(read_manifest('data').samples)\n"
        "load_recipe(recipe='m3w')\n"
        "from corpusloom import Dataset\n"
    )
    command = [sys.executable, "-m", "mypy", "--python-executable", shipped.python, "--ignore-missing-imports"]
    command += ["--config-file", "", "--cache-dir", str(tmp_path / "cache"), "script.py"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert [
        line for line in ended.stdout.splitlines() if line.startswith("script.py") and "defined in" not in line
    ] == [
        'script.py:2: note: Revealed type is "dict[str, Any]"',
        'script.py:3: note: Revealed type is "int"',
        'script.py:4: error: Unexpected keyword argument "recipe" for "load_recipe"  [call-arg]',
        'script.py:5: error: Module "corpusloom" has no attribute "Dataset"  [attr-defined]',
    ], ended.stdout + ended.stderr


@pytest.mark.timeout(300)
def test_a_wheel_in_another_folder_runs_the_demo(shipped: Shipped, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", READS, shipped.site], check=True, cwd=tmp_path, env=environment(shipped.site))
    argv = ["demo", "--quick", "--port", str(free_port()), "--out", str(tmp_path / "demo")]
    ended = interrupt_at(
        "corpusloom.pipelines.builds.derived.regions:build_dataset",
        tmp_path / "marker",
        *argv,
        cwd=tmp_path,
        env=environment(shipped.site),
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
