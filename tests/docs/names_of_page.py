"""Modules, functions and fields that the documentation names, found in the sources without importing them."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
BEGINNINGS = ("", "pipelines/")
"""Folders below which a dotted name is searched, e.g. store.ledger.Ledger in pipelines/store/ledger.py."""


@cache
def tree(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text("utf-8"))


def defined(node: ast.Module | ast.ClassDef) -> dict[str, ast.stmt]:
    """Return the names that a module or class defines in its body: functions, classes and variables."""
    found: dict[str, ast.stmt] = {}
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[item.name] = item
        elif isinstance(item, ast.AnnAssign):
            found[ast.unparse(item.target)] = item
        elif isinstance(item, ast.Assign):
            found |= dict.fromkeys(map(ast.unparse, item.targets), item)
    return found


def exists(name: str) -> bool:
    """Return whether a dotted name is a package, a module, or defined by a module or its class."""
    parts = name.removeprefix("corpusloom.").split(".")
    for beginning in BEGINNINGS:
        for count in range(len(parts), 0, -1):
            place = ROOT / beginning / "/".join(parts[:count])
            if count == len(parts) and (place / "__init__.py").exists():
                return True
            if place.with_suffix(".py").exists():
                return _defines(tree(place.with_suffix(".py")), parts[count:])
    return False


def _defines(node: ast.stmt | ast.Module, parts: list[str]) -> bool:
    for part in parts:
        if not isinstance(node, ast.Module | ast.ClassDef) or part not in defined(node):
            return False
        node = defined(node)[part]
    return True
