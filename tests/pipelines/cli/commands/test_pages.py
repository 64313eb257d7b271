"""`loom pages` runs the stages of a recipe up to its pages."""

import pytest

from corpusloom.pipelines.cli.commands import build, pages


def test_the_stages_up_to_pages_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(build.BuildFlags, "run_until", lambda _, until, command: asked.append((until, command)) or 7)
    assert pages.Command(recipe="m3w", out="out").run() == 7
    assert asked == [("select", "pages")]
