"""Keys that were added before are found, at 8 bytes per key."""

from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.trainers.stream.foreign.key_digests import KeyDigests


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.text(max_size=2), max_size=12), max_size=9))
def test_exactly_the_keys_that_were_added_before_are_found(groups: list[list[str]]) -> None:
    digests, seen = KeyDigests(), set[str]()
    for keys in groups:
        assert digests.add(keys) == [key for key in keys if key in seen or keys.count(key) > 1]
        seen.update(keys)
    assert digests.nbytes == 8 * len(seen)


def test_the_number_of_runs_stays_logarithmic() -> None:
    digests = KeyDigests()
    for start in range(0, 20_000, 100):
        assert digests.add([f"key {number}" for number in range(start, start + 100)]) == []
    assert digests.nbytes == 160_000
    assert len(digests._runs) < 12
    assert digests.add(["key 19999", "new"]) == ["key 19999"]
