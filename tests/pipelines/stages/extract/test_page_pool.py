"""The pool that reads pages returns the same results as reading in this process."""

from functools import partial

import pytest

from corpusloom.pipelines.extract.page_task import HtmlPage, PageTask, extract_page, extract_page_images
from corpusloom.pipelines.extract.reading.types import ExtractConfig
from corpusloom.pipelines.stages.extract.page_pool import page_pool

PAGES = [
    HtmlPage(f"<p>Page number {n} has text.<img src={n}.jpg alt=x>".encode(), "http://a.example/") for n in range(5)
]


@pytest.mark.parametrize("task", [partial(extract_page, config=ExtractConfig(method="rules")), extract_page_images])
def test_workers_read_pages_as_this_process_does(task: PageTask[object]) -> None:
    with page_pool(task, 2) as workers, page_pool(task, 0) as here:
        found = list(workers.map(PAGES))
        assert found == list(here.map(PAGES))
    assert len(set(map(repr, found))) == 5
