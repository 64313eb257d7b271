"""Keys as numbers: equal for equal keys, and in the same order as keys of 32 digits."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.dedup.key_hashes import group_starts, key_numbers

hexes = st.text("0123456789abcdef", min_size=32, max_size=32)
keys = st.lists(st.one_of(hexes, st.text(max_size=40), st.text("ABCDEF", min_size=32, max_size=32)), max_size=20)


@given(keys)
def test_numbers_are_equal_where_keys_are(values: list[str]) -> None:
    values = [*values, *values[:3]]
    numbers = [tuple(row) for row in key_numbers(pa.array(values, pa.string())).tolist()]
    assert len(set(numbers)) == len(set(values))
    assert dict(zip(values, numbers, strict=True)) == dict(zip(reversed(values), reversed(numbers), strict=True))


@given(st.lists(hexes, max_size=20), st.integers(0, 3))
def test_digits_keep_their_order_and_their_value_in_a_slice(values: list[str], start: int) -> None:
    numbers = key_numbers(pa.array(values, pa.string()).slice(start)).tolist()
    assert [f"{high:016x}{low:016x}" for high, low in numbers] == values[start:]


def test_groups_begin_where_any_column_changes() -> None:
    assert group_starts(np.array([1, 1, 2, 2]), np.array([5, 5, 5, 6])).tolist() == [0, 2, 3]
    assert group_starts(np.array([], dtype=int)).tolist() == []
