"""The benchmarks import names that exist: no other test runs most of them."""

import ast
import importlib.util
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parents[2] / "benchmarks").rglob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_a_benchmark_imports_only_names_that_exist(path: Path) -> None:
    missing = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("corpusloom"):
            module = importlib.import_module(node.module)
            for name in node.names:
                if not hasattr(module, name.name) and not importlib.util.find_spec(f"{node.module}.{name.name}"):
                    missing.append(f"{node.module}.{name.name}")
    assert missing == []
