"""Every part of the benchmark of pairs has a module with the function that yields its rows."""

from typing import get_args

import pytest

from benchmarks.pairs.__main__ import rows_of
from benchmarks.pairs.config import PARTS, Part


def test_all_parts_run_without_only() -> None:
    assert get_args(Part) == PARTS


@pytest.mark.parametrize("part", PARTS)
def test_a_part_has_rows(part: str) -> None:
    assert callable(rows_of(part))
