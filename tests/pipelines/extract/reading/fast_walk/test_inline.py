"""The fast walk on the cases of `walk_cases.INLINE`."""

import pytest

from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from tests.pipelines.extract.reading import walk_cases


@pytest.mark.parametrize(("html", "expected"), walk_cases.INLINE)
def test_case(html: str, expected: list[tuple[str, str]]) -> None:
    assert walk_cases.shown(fast_walk, html) == expected
