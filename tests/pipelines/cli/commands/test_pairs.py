"""`loom pairs` runs the stages of a recipe up to its pairs."""

import pytest

from corpusloom.pipelines.cli.commands import build, pairs


def test_the_stages_up_to_pairs_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(build.BuildFlags, "run_until", lambda _, until, command: asked.append((until, command)) or 7)
    assert pairs.Command(recipe="m3w", out="out").run() == 7
    assert asked == [("select", "pairs")]
