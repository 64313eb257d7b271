"""Sides run in turns, and their medians are those of the timed rounds."""

from benchmarks.pairs.alternating import alternate


def test_each_side_runs_once_untimed_and_once_per_round_in_turns() -> None:
    calls: list[str] = []
    found = alternate({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b"] * 4
    assert sorted(found) == ["a", "b"]
    assert all(0 <= side.cpu < 1 and 0 <= side.wall < 1 for side in found.values())
