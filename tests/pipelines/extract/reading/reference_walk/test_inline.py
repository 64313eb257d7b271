"""The reference walk on the cases of `walk_cases.INLINE`."""

import pytest

from corpusloom.pipelines.extract.reading.reference_walk.walk import reference_walk
from tests.pipelines.extract.reading import walk_cases


@pytest.mark.parametrize(("html", "expected"), walk_cases.INLINE)
def test_case(html: str, expected: list[tuple[str, str]]) -> None:
    assert walk_cases.shown(reference_walk, html) == expected
