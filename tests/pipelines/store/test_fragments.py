"""Names of fragments follow from counts alone."""

import pytest

from corpusloom.pipelines.store.fragments import FRAGMENT_ROWS, fragment_name, fragment_names
from corpusloom.schemas.records import StageCounts


def counts(unit: str, kept: int) -> StageCounts:
    return StageCounts(stage="extract", unit=unit, records_in=kept, kept=kept)


@pytest.mark.parametrize(
    ("kept", "number"), [(0, 0), (1, 1), (FRAGMENT_ROWS, 1), (FRAGMENT_ROWS + 1, 2), (2 * FRAGMENT_ROWS, 2)]
)
@pytest.mark.parametrize("unit", ["page", "pair"])
def test_there_are_as_many_fragments_as_the_records_need(unit: str, kept: int, number: int) -> None:
    names = fragment_names("abc", [counts("record", 99_999), counts(unit, kept)])
    assert names == [f"abc-{part:04d}.parquet" for part in range(number)]


def test_all_units_of_records_count() -> None:
    assert len(fragment_names("abc", [counts("page", FRAGMENT_ROWS), counts("pair", 1)])) == 2


def test_a_name_has_four_digits() -> None:
    assert [fragment_name("x", part) for part in (0, 12, 12345)] == [
        "x-0000.parquet", "x-0012.parquet", "x-12345.parquet",
    ]  # fmt: skip
