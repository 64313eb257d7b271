"""The layout of the repository: few entries per folder, imports in one direction, a test file for each module."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("schemas", "pipelines", "trainers")
ROOMS = (
    "builds", "cli", "datasets", "dedup", "demo", "engine", "extract", "filters", "models", "net", "recipes", "stages",
    "store",
)  # fmt: skip
MOST_ENTRIES = 14
CROWDED = {"pipelines/cli/commands"}
"""Folders that may hold more: one file per command."""
BEAM_ROOMS = ("corpusloom.pipelines.stages.", "corpusloom.pipelines.engine.", "corpusloom.pipelines.store.regroup")
ONE_PER_FILE = {"Command"}
"""Types that each file of a folder defines: the command line finds a command's class by this name."""


@cache
def sources() -> dict[str, Path]:
    """Return module name -> file of all that is installed."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    named = {("corpusloom", *path.relative_to(ROOT).with_suffix("").parts): path for path in files}
    named |= {("corpusloom", path.stem): path for path in (ROOT / "corpusloom").glob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): path for parts, path in named.items()}


@cache
def tree(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def own(name: str) -> str:
    """Return the path of a module below the repository's root, as people write it."""
    return sources()[name].relative_to(ROOT).as_posix()


def is_typing_only(node: ast.AST) -> bool:
    """Return whether a statement is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(module: ast.Module, *, typing: bool) -> Iterator[ast.AST]:
    """Yield every node of a module at any depth; `typing` includes what only type checkers read."""
    waiting: list[ast.AST] = [module]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.orelse if is_typing_only(node) and not typing else ast.iter_child_nodes(node)  # type: ignore[attr-defined]


def imports(module: ast.Module, *, typing: bool = True) -> set[str]:
    """Return the names of all modules that one imports, lazily or not; `from a import b` gives a.b and a."""
    found = set()
    for node in statements(module, typing=typing):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


@cache
def graph() -> dict[str, set[str]]:
    """Return module -> modules of ours that it imports; packages without code are left out."""
    modules = {name for name, path in sources().items() if path.stat().st_size}
    return {name: (imports(tree(sources()[name])) & modules) - {name} for name in modules}


def room_of(name: str) -> str:
    """Return the room of a module: corpusloom.schemas, corpusloom.trainers or one of corpusloom.pipelines'."""
    parts = name.split(".")
    return ".".join(parts[: 3 if parts[1:2] == ["pipelines"] else 2])


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Return a circle of a graph, or nothing."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_pipelines_has_thirteen_rooms() -> None:
    rooms = [path.parent.name for path in sorted((ROOT / "pipelines").glob("*/__init__.py"))]
    assert rooms == list(ROOMS)
    assert [path.name for path in (ROOT / "pipelines").glob("*.py")] == ["__init__.py"]


def test_a_folder_holds_few_entries() -> None:
    entries: dict[Path, int] = defaultdict(int)
    for path in {path.parent if path.name == "__init__.py" else path for path in sources().values()}:
        entries[path.parent.relative_to(ROOT)] += 1
    assert entries[Path("pipelines")] == len(ROOMS)
    assert {folder: n for folder, n in entries.items() if n > MOST_ENTRIES and folder.as_posix() not in CROWDED} == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(graph()) == []


def test_no_rooms_import_each_other_in_a_circle() -> None:
    rooms: dict[str, set[str]] = defaultdict(set)
    for name, imported in graph().items():
        rooms[room_of(name)] |= {room_of(other) for other in imported} - {room_of(name)}
    assert circle(rooms) == []


def test_only_the_command_line_imports_trainers() -> None:
    importers = {room_of(name) for name, found in graph().items() for other in found if "corpusloom.trainers" in other}
    assert importers == {"corpusloom", "corpusloom.pipelines.cli", "corpusloom.trainers"}


def test_beam_is_imported_only_where_pipelines_are_wired_and_run() -> None:
    importers = {
        name
        for name, path in sources().items()
        if any(other.split(".")[0] == "apache_beam" for other in imports(tree(path), typing=False))
    }
    assert importers
    assert {name for name in importers if not name.startswith(BEAM_ROOMS)} == set()


def test_a_package_re_exports_nothing_but_the_public_names() -> None:
    filled = {path.relative_to(ROOT).as_posix() for path in sources().values() if path.name == "__init__.py"}
    assert {name for name in filled if (ROOT / name).stat().st_size} == {"corpusloom/__init__.py"}


def public_types(module: ast.Module) -> Iterator[str]:
    """Yield the classes and type aliases that a module defines for others."""
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
            yield from (ast.unparse(target) for target in node.targets)


def test_a_public_type_is_defined_in_one_place() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for name, path in sources().items():
        for defined in public_types(tree(path)):
            if re.fullmatch(r"[A-Z][a-z]\w*", defined) and defined not in ONE_PER_FILE:
                places[defined].append(own(name))
    assert len(places) > 200
    twice = {defined: found for defined, found in places.items() if len(found) > 1}
    assert len(twice) <= 4, twice


def test_what_is_called_has_a_type() -> None:
    found = {own(name) for name, path in sources().items() if "Callable[..., Any]" in ast.unparse(tree(path))}
    assert found == set(), "say with a Protocol what is called"


BARE_NAME = re.compile(r"(schemas|pipelines|trainers)(\.[a-z_]\w*)+(:\w+)?")
BARE_IMPORT = re.compile(r"^\s*(from|import) (schemas|pipelines|trainers)\b", re.MULTILINE)


@pytest.mark.parametrize("folder", [*FOLDERS, "corpusloom", "tests", "benchmarks", "docs", "infra"])
def test_no_string_names_a_module_without_corpusloom(folder: str) -> None:
    for path in (ROOT / folder).glob("*.py" if folder == "corpusloom" else "**/*.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and path != Path(__file__):
                assert not BARE_NAME.fullmatch(node.value), f"{path}:{node.lineno}"
                assert not BARE_IMPORT.search(node.value), f"{path}:{node.lineno}"


def without_a_test() -> set[str]:
    """Return the modules that have no test file of their name under the same path in tests/."""
    missing = set()
    for name, path in sources().items():
        test = ROOT / "tests" / path.relative_to(ROOT).parent / f"test_{path.name}"
        if path.stem not in ("__init__", "__main__") and not (test.exists() and "def test_" in test.read_text()):
            missing.add(own(name))
    return missing


def test_every_module_has_a_test_file_of_its_name() -> None:
    assert without_a_test() == set(), "a module needs a test file of its name"
