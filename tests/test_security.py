"""SECURITY.md names modules, test files, tests and endpoints of the zoo; every one of them exists."""

import ast
import fnmatch
import re
from pathlib import Path

import pytest

from tests.web.zoo import ENDPOINTS

ROOT = Path(__file__).parents[1]
TERMS = re.findall(r"`([^`\n]+)`", (ROOT / "SECURITY.md").read_text())
PATHS = [term for term in TERMS if re.fullmatch(r"[\w./-]+\.py", term)]
TESTS = [term for term in TERMS if re.fullmatch(r"test_\w+", term)]


def rows() -> list[list[str]]:
    """Return the cells of every row of the tables of threats."""
    lines = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[0] != "threat" and not set(row[0]) <= set("- ")]


def defined_tests() -> set[str]:
    """Return the names of all test functions."""
    names: set[str] = set()
    for path in ROOT.glob("tests/**/test_*.py"):
        names |= {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
    return names


@pytest.mark.parametrize("term", sorted(set(PATHS)))
def test_every_path_is_a_file(term: str) -> None:
    assert (ROOT / term).is_file(), f"SECURITY.md names {term}, which is no file"


def test_every_test_exists() -> None:
    assert len(TESTS) > 10
    assert sorted(set(TESTS) - defined_tests()) == []


def test_every_endpoint_exists() -> None:
    words = {term for row in rows() for term in re.findall(r"`([a-z0-9_*]+)`", row[-1])} - set(TESTS)
    missing = [word for word in words if not fnmatch.filter(ENDPOINTS, word)]
    assert sorted(missing) == []


def test_every_threat_has_a_guard_and_a_test() -> None:
    assert len(rows()) > 25
    for row in rows():
        assert len(row) == 3, row
        assert all(row), row
        assert "`" in row[2], row
