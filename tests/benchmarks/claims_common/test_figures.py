"""Figures are made once and then read from their file; jobs run in processes of their own."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.claims_common.figures import kept, measure_each


def test_kept_figures_are_made_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return {"r1": np.array([0.5, 1.0])}

    for _ in range(2):
        found = kept(tmp_path / "exam.npz", make)
        assert found["r1"].tolist() == [0.5, 1.0]
    assert made == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["exam.npz"]


def test_each_job_runs_once_and_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    measure_each([partial(Path.touch, path, exist_ok=False) for path in files], 1)
    assert all(path.exists() for path in files)
    assert capsys.readouterr().err == "measured 1 of 2: 0 CPU s\nmeasured 2 of 2: 0 CPU s\n"
