"""A module whose code shapes scores cannot change without its VERSION, or outdated stored scores would be reused.

After a change that may alter a score or a block: raise the module's VERSION, then run
`python -m tests.pipelines.filters.test_versions`. After one that cannot (a name, a speed-up that tests hold equal), run
`python -m tests.pipelines.filters.test_versions --same-scores`.
"""

import ast
import hashlib
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILE = Path(__file__).with_name("versions.json")
SHAPING = ("recipes/measuring.py", "dedup/exact.py", "dedup/frequency.py", "dedup/minhash.py")
"""Modules outside `filters/` whose code shapes scores, blocks or the heads that duplicates are found by."""


def modules() -> list[str]:
    """Return the modules that shape scores, as paths below `pipelines/`."""
    found = (path.relative_to(ROOT / "pipelines").as_posix() for path in (ROOT / "pipelines/filters").rglob("*.py"))
    return sorted([*(path for path in found if not path.endswith("__init__.py")), *SHAPING])


def version_of(module: str) -> int:
    """Return the VERSION of a module."""
    name = module.removesuffix(".py").replace("/", ".")
    found: int = importlib.import_module(f"corpusloom.pipelines.{name}").VERSION
    return found


def shape(node: object) -> Iterator[str]:
    """Yield the parts of code that have an effect (no docstring, annotation, import, VERSION), equal on any Python."""
    if isinstance(node, ast.Import | ast.ImportFrom) or is_text(node) or is_version(node):
        return
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            if name not in ("annotation", "returns", "type_params", "type_comment", "kind") and value not in (None, []):
                yield name
                yield from shape(value)
    elif isinstance(node, list):
        for item in node:
            yield from shape(item)
    else:
        yield repr(node)


def is_text(node: object) -> bool:
    """Return whether a statement is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_version(node: object) -> bool:
    """Return whether a statement sets VERSION."""
    return isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["VERSION"]


def hash_of(source: str) -> str:
    """Return a hash of the code of a module that has an effect."""
    return hashlib.sha256("\n".join(shape(ast.parse(source))).encode()).hexdigest()[:16]


def table() -> dict[str, list[object]]:
    """Return version and hash of every module."""
    return {
        module: [version_of(module), hash_of((ROOT / "pipelines" / module).read_text("utf-8"))] for module in modules()
    }


@pytest.mark.parametrize("module", modules())
def test_changed_code_has_another_version(module: str) -> None:
    known, found = json.loads(FILE.read_text("utf-8")).get(module), table()[module]
    assert found == known, f"pipelines/{module} changed. {__doc__}"


def test_the_table_names_no_module_that_is_gone() -> None:
    assert sorted(json.loads(FILE.read_text("utf-8"))) == modules()


CODE = 'VERSION = 1\nLIMIT = 30\n\ndef f(x: int) -> int:\n    """Doc."""\n    return x + LIMIT\n'


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        (CODE.replace("Doc.", "Another."), True),
        (CODE.replace("VERSION = 1", "VERSION = 2"), True),
        (CODE.replace("x: int", "x: float"), True),
        ("# a comment\nimport re\n" + CODE, True),
        (CODE.replace("30", "31"), False),
        (CODE.replace("x + LIMIT", "x - LIMIT"), False),
        (CODE.replace("return x + LIMIT", "return x"), False),
    ],
)
def test_the_hash_sees_what_code_does_and_nothing_else(changed: str, same: bool) -> None:
    assert (hash_of(changed) == hash_of(CODE)) is same


def main(words: list[str]) -> int:
    """Write the table anew; refuse for changed code of the same version."""
    known = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    made = table()
    forgotten = [
        name for name in made if name in known and known[name][0] == made[name][0] and known[name] != made[name]
    ]
    if forgotten and words != ["--same-scores"]:
        print(f"same VERSION, other code: {', '.join(forgotten)}\n{__doc__}", file=sys.stderr)
        return 1
    FILE.write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
