"""docs/api.md describes the public names as they are."""

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import corpusloom

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def make_api() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_api", ROOT / "docs" / "make_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(make_api: ModuleType) -> None:
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == make_api.page(), "run: make generated"


def test_every_section_begins_at_a_public_name(make_api: ModuleType) -> None:
    assert set(make_api.SECTIONS) <= set(corpusloom.MODULES)
    assert next(iter(corpusloom.MODULES)) in make_api.SECTIONS


def test_a_signature_holds_defaults_and_keyword_only_parameters(make_api: ModuleType) -> None:
    function = ast.parse("def read(self, a: int, b: str = 'x', *, c: float = 1.0, d: int) -> bool: ...").body[0]
    assert make_api.signature(function) == "read(a: int, b: str = 'x', *, c: float = 1.0, d: int) -> bool"


def test_a_long_signature_has_one_line_per_parameter(make_api: ModuleType) -> None:
    function = ast.parse(f"def f({'a' * 60}: int, {'b' * 60}: int) -> None: ...").body[0]
    assert (
        make_api.block(function, "f") == f"```python\nf(\n    {'a' * 60}: int,\n    {'b' * 60}: int,\n) -> None\n```\n"
    )


def test_a_class_shows_public_fields_with_their_text_and_its_methods(make_api: ModuleType) -> None:
    lines = ["class A:", "    x: int = 1", '    """Pixels."""', "    y: str", "    _z: int"]
    lines += ["    def go(self) -> None:", '        """Go."""', "    def _hide(self) -> None: ..."]
    source = "\n".join(lines)
    assert list(make_api.describe_class(ast.parse(source).body[0])) == [
        "- `x: int = 1`: Pixels.", "- `y: str`", "- `.go() -> None`: Go."
    ]  # fmt: skip


def test_fields_of_a_base_class_come_first_and_types_are_plain(make_api: ModuleType) -> None:
    lines = ["class A:", '    """Base."""', "    x: Annotated[int, arg(1)] = 1", '    """Pixels."""']
    lines += ["class B(A, Other):", '    """Own."""', "    y: str"]
    module = ast.parse("\n".join(lines))
    found = make_api.with_bases(module.body[1], module)
    assert ast.get_docstring(found) == "Own."
    assert list(make_api.describe_class(found)) == ["- `x: int = 1`: Pixels.", "- `y: str`"]


def test_a_name_that_moved_is_an_error(make_api: ModuleType) -> None:
    with pytest.raises(LookupError, match="does not define Nothing"):
        make_api.definition("Nothing", "corpusloom.schemas.errors")
