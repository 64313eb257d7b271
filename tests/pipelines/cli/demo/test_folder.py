"""The demo's folder: paths in it, and seconds per step."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from corpusloom.pipelines.cli.demo import folder as demo_folder
from corpusloom.pipelines.cli.demo.folder import DemoFolder
from corpusloom.pipelines.engine.progress import Reporter


def test_steps_are_timed_and_paths_lie_in_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 11.5])
    monkeypatch.setattr(demo_folder, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    out = io.StringIO()
    demo = DemoFolder("out", Reporter(console=Console(file=out)), quick=True, port=1)
    with demo.step("scrape"):
        pass
    assert out.getvalue() == "step 1 of 8: scrape\n"
    assert demo.seconds == {"scrape": 1.5}
    assert demo.path("datasets", "m3w") == "out/datasets/m3w"
