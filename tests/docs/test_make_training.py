"""The table of keys in docs/training.md is up to date and complete."""

import importlib.util
from types import ModuleType

from corpusloom.trainers import registry
from corpusloom.trainers.training.config import config_names, load_config
from tests.docs.names_of_page import ROOT


def make_training() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_training", ROOT / "docs" / "make_training.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_present_keys() -> None:
    text = (ROOT / "docs" / "training.md").read_text("utf-8")
    assert make_training().with_keys(text) == text, "run python docs/make_training.py"


def test_every_table_of_every_configuration_is_there() -> None:
    found = make_training().keys()
    for name in config_names():
        for table in registry.tables_of(load_config(name)):
            assert f"| `{table}." in found
    for key in ("train.lr", 'train.groups."PATTERN".freeze', "parallel.shard", "model.image.layers", "data.lambdas"):
        assert found.count(f"| `{key}` |") == 1
