"""Settings of every test: no deadlines for property tests, and no import of a folder by its bare name."""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

BARE_NAMES = {"pipelines", "schemas", "trainers"}

settings.register_profile("loom", deadline=None)  # a busy machine must not fail a property test
settings.load_profile("loom")


@pytest.fixture(scope="session", autouse=True)
def bare_names() -> Iterator[set[str]]:
    """Fail a session that imported one of the folders by another name than corpusloom's."""
    yield BARE_NAMES
    found = {name.partition(".")[0] for name in sys.modules} & BARE_NAMES
    assert found == set(), "import corpusloom.schemas, corpusloom.pipelines and corpusloom.trainers"
