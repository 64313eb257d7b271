"""`loom pairs` runs the stages of a recipe up to its pairs."""

import pytest

from corpusloom.pipelines.cli.commands import build, pairs


def test_it_runs_up_to_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []
    monkeypatch.setattr(build.BuildFlags, "run_until", lambda _, until, alone=False: asked.append((until, alone)) or 7)
    assert pairs.Command(recipe="m3w", out="out").run() == 7
    assert asked == [("pairs", False)]
