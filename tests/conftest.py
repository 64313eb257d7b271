"""Settings of every test: no deadlines for property tests, and no import of a folder by its bare name."""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

BARE_NAMES = {"pipelines", "schemas", "trainers"}
LONG_FILES = (
    "tests/test_chaos.py",
    "tests/pipelines/cli/test_bad_input.py",
    "tests/pipelines/builds/test_object_stores.py",
    "tests/pipelines/builds/test_same_bytes.py",
    "tests/pipelines/datasets/test_forget.py",
    "tests/docs/test_contributing.py",
    "tests/test_packaging.py",
    "tests/trainers/test_rank_matrix.py",
    "tests/trainers/test_killed_runs.py",
)
"""Files of more than 20 seconds. They run first: a process that begins one at the end keeps the others waiting."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests of LONG_FILES first; the others keep their (random) order."""
    rank = {config.rootpath / name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


settings.register_profile("loom", deadline=None)  # a busy machine must not fail a property test
settings.load_profile("loom")


@pytest.fixture(scope="session", autouse=True)
def bare_names() -> Iterator[set[str]]:
    """Fail a session that imported one of the folders by another name than corpusloom's."""
    yield BARE_NAMES
    found = {name.partition(".")[0] for name in sys.modules} & BARE_NAMES
    assert found == set(), "import corpusloom.schemas, corpusloom.pipelines and corpusloom.trainers"
