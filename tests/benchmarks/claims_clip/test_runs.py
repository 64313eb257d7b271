"""Runs: a folder is named after all that shapes the run, and time that is over is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.claims_clip.runs import Run, is_finished, train


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "manifest.json").write_text("{}")
    config = tmp_path / "c.toml"
    config.write_text("family = 'clip'")
    return Run("base", str(config), str(tmp_path), ("train.steps=2",), 0)


def test_a_changed_setting_dataset_or_configuration_is_another_run(run: Run, tmp_path: Path) -> None:
    folders = {run.folder(tmp_path), replace(run, settings=("train.steps=3",)).folder(tmp_path)}
    folders.add(replace(run, seed=1).folder(tmp_path))
    (tmp_path / "manifest.json").write_text('{"samples": 2}')
    folders.add(run.folder(tmp_path))
    (tmp_path / "c.toml").write_text("family = 'clip' # changed")
    folders.add(run.folder(tmp_path))
    assert len(folders) == 5


def test_a_finished_run_is_not_repeated_and_a_missing_one_needs_time(run: Run, tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="base"):
        train([run], tmp_path, 1, seconds=0)
    run.folder(tmp_path).mkdir()
    (run.folder(tmp_path) / "result.json").write_text("{}")
    assert is_finished(run, tmp_path)
    train([run], tmp_path, 1, seconds=0)
