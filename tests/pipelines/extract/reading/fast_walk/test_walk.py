"""The fast walk reads any bytes in time linear in their number."""

import time

import pytest

from corpusloom.pipelines.extract.reading.fast_walk.walk import HANDLERS, IN_COLLAPSED, fast_walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig
from tests.pipelines.extract.reading import walk_cases


@pytest.mark.parametrize("source", [b"", b"  \n", b"<", b"<p", b"\xff\xfe", b"</p></p>"])
def test_bytes_that_hold_no_text_give_no_runs(source: bytes) -> None:
    page = fast_walk(source, walk_cases.URL, ExtractConfig())
    assert not [run for run in page.runs if run.text.isalnum()]


def test_depth_costs_no_more_than_length() -> None:
    def seconds(html: str) -> float:
        start = time.process_time()
        walk_cases.walked(fast_walk, html)
        return time.process_time() - start

    pair = "<div>" * 30_000 + "x" + "</div>" * 30_000, "<div></div>" * 30_000 + "x"
    deep, wide = (min(seconds(html) for _ in range(3)) for html in pair)
    assert deep < 10 * wide


def test_menus_know_fewer_elements_than_pages() -> None:
    assert set(IN_COLLAPSED) < set(HANDLERS)
    assert {"li", "img", "table", "figure"} & set(IN_COLLAPSED) == set()
