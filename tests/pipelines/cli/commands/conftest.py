"""A small website, scraped, with a dataset of pairs: the commands that read datasets share it."""

from collections.abc import Iterator

import pytest

from tests.pipelines.small_web import SmallWeb, small_web


@pytest.fixture(scope="package")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWeb]:
    with small_web(tmp_path_factory.mktemp("commands")) as made:
        made.scrape()
        made.build("align", "align")
        yield made
