"""`loom shards` runs the last stage of a recipe alone."""

import pytest

from corpusloom.pipelines.cli.commands import build, shards


def test_only_the_last_stage_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []
    monkeypatch.setattr(build.BuildFlags, "run_until", lambda _, until, alone=False: asked.append((until, alone)) or 7)
    assert shards.Command(recipe="m3w", out="out").run() == 7
    assert asked == [("shards", True)]
