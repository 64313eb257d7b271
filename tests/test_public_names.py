"""`import corpusloom`: one list of public names with real types; heavy modules load when a name is used."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import corpusloom
from tests.pipelines.command_line import environment

SOURCE = ast.parse(Path(corpusloom.__file__).read_text(encoding="utf-8"))
MEASURED = """
import json, sys, time
before, started = set(sys.modules), time.process_time()
import corpusloom
took = time.process_time() - started
loaded = sorted(set(sys.modules) - before)
corpusloom.load_recipe, corpusloom.read_manifest, corpusloom.Damage
heavy = sorted({"torch", "apache_beam", "dask", "altair", "transformers"} & set(sys.modules))
print(json.dumps([took, loaded, heavy]))
"""


def typed_names() -> dict[str, str]:
    """Return name -> module of the imports that type checkers read."""
    block = next(node for node in SOURCE.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: str(node.module) for node in imports for alias in node.names}


@pytest.mark.parametrize("name", corpusloom.MODULES)
def test_each_name_is_defined_where_the_table_says(name: str) -> None:
    value = getattr(corpusloom, name)
    assert value.__module__ == corpusloom.MODULES[name]
    assert value is getattr(importlib.import_module(corpusloom.MODULES[name]), name)
    assert value.__doc__


def test_type_checkers_see_the_names_that_are_offered() -> None:
    assert typed_names() == corpusloom.MODULES
    assert set(corpusloom.__all__) == {*corpusloom.MODULES, "__version__"}
    assert sorted(corpusloom.__all__) == list(corpusloom.__all__)
    assert set(corpusloom.__all__) <= set(dir(corpusloom))


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="'corpusloom' has no attribute 'Dataset'"):
        _ = corpusloom.Dataset
    with pytest.raises(ImportError):
        exec("from corpusloom import Dataset")


def test_a_folder_of_the_package_can_be_imported_beside_the_names() -> None:
    from corpusloom import pipelines

    assert pipelines.__name__ == "corpusloom.pipelines"


def test_importing_loads_nothing_heavy_and_takes_next_to_no_time() -> None:
    root = str(Path(__file__).parent.parent)
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True, env=environment(root)
    )
    took, loaded, heavy = json.loads(ended.stdout)
    assert took < 0.1
    assert "corpusloom" in loaded
    assert not [name for name in loaded if name.startswith("corpusloom.") or name in ("numpy", "pyarrow", "aiohttp")]
    assert heavy == []


def test_the_version_is_that_of_the_installed_package() -> None:
    from importlib.metadata import version

    assert version("corpusloom") == corpusloom.__version__
