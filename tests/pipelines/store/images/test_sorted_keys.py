"""Searching sorted names: each is found at its place and no other, also with trailing zero bytes."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from corpusloom.pipelines.store.images.sorted_keys import place_in, places_in

NAMES = st.binary(min_size=4, max_size=4)


@given(st.sets(NAMES, max_size=20), st.lists(NAMES, max_size=5))
@example({b"ab\0\0"}, [b"ab\0\0", b"abc\0"])
def test_a_name_is_found_where_it_lies(held: set[bytes], others: list[bytes]) -> None:
    names = np.array(sorted(held), dtype="S4")
    wanted = [*sorted(held), *others]
    expected = [sorted(held).index(name) if name in held else -1 for name in wanted]
    assert places_in(names, np.array(wanted, dtype="S4")).tolist() == expected
    assert [place_in(names, name) for name in wanted] == [None if place < 0 else place for place in expected]
