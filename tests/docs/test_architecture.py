"""Every name in docs/architecture.md exists, and its picture is drawn from the current code."""

import importlib.util
import re
import tomllib
from types import ModuleType

import pytest

from tests.docs.names_of_page import ROOT, exists

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
NAMES = sorted(set(re.findall(r"`([a-z_]\w*(?:\.\w+)+)`", PAGE)))


@pytest.fixture(scope="module")
def draw() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "infra" / "draw_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_is_current(draw: ModuleType) -> None:
    assert (ROOT / "docs" / "architecture.svg").read_text("utf-8") == draw.draw(), "run: make generated"


def test_the_picture_shows_every_room_with_its_name_and_sentence(draw: ModuleType) -> None:
    picture = draw.draw()
    for level in draw.floors():
        for room in level:
            assert picture.count('class="name"') == sum(map(len, draw.floors()))
            assert f">{room.removeprefix('pipelines.')}/</text>" in picture


def test_the_table_names_each_room_once() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = [room.strip().removeprefix("corpusloom.").replace(".", "/") for row in layers for room in row.split("|")]
    assert sorted(re.findall(r"^\| `([\w/]+)/` \|", PAGE, re.M)) == sorted(rooms)
    assert all((ROOT / room / "__init__.py").exists() for room in rooms)


@pytest.mark.parametrize("name", [name for name in NAMES if not re.search(r"\.(py|toml|md|svg)$", name)])
def test_every_name_on_the_page_exists(name: str) -> None:
    assert exists(name), f"{name} is gone: correct docs/architecture.md"


def test_a_name_that_is_gone_is_found() -> None:
    assert exists("store.ledger.Ledger.record")
    assert exists("corpusloom.schemas.verdicts.decide")
    assert exists("engine.subprocesses")
    assert exists("net.permissions")
    assert not exists("store.ledger.Ledger.recorded")
    assert not exists("store.ledgers.Ledger")
    assert not exists("store.ledger.Ledger.record.x")


def test_an_image_url_has_five_types_at_most() -> None:
    section = PAGE.split("## How an image URL becomes a stored image")[1].split("\n## ")[0]
    types = re.findall(r"^\| `[\w.]+\.([A-Z]\w+)` \|", section, re.M)
    assert 3 <= len(types) <= 5


def test_every_promise_is_kept_by_code_and_attacked_by_tests() -> None:
    section = PAGE.split("## The four promises")[1]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| **")]
    assert len(rows) == 4
    for _, kept, broken in rows:
        assert any(exists(name) for name in re.findall(r"`([\w.]+)`", kept))
        assert re.search(r"`tests/", broken)
