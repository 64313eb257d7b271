"""Runs: a folder is named after all that shapes the run, and time that is over is told."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.claims_common.runs import Run, _wait, is_finished, train, train_each


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "manifest.json").write_text("{}")
    config = tmp_path / "c.toml"
    config.write_text("family = 'clip'")
    return Run("base", str(config), (str(tmp_path),), ("train.steps=2",), 0)


def test_a_changed_setting_dataset_or_configuration_is_another_run(run: Run, tmp_path: Path) -> None:
    folders = {run.folder(tmp_path), replace(run, settings=("train.steps=3",)).folder(tmp_path)}
    folders.add(replace(run, seed=1).folder(tmp_path))
    (tmp_path / "manifest.json").write_text('{"samples": 2}')
    folders.add(run.folder(tmp_path))
    (tmp_path / "c.toml").write_text("family = 'clip' # changed")
    folders.add(run.folder(tmp_path))
    (tmp_path / "frozen.bin").write_bytes(b"weights")
    frozen = replace(run, frozen=(str(tmp_path / "frozen.bin"),))
    folders.add(frozen.folder(tmp_path))
    (tmp_path / "frozen.bin").write_bytes(b"others")
    folders.add(frozen.folder(tmp_path))
    assert len(folders) == 7


def test_a_dataset_counts_by_its_content_its_name_and_its_share_and_not_by_its_path(run: Run, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "manifest.json").write_text("{}")
    assert replace(run, data=(str(moved),)).folder(tmp_path) == run.folder(tmp_path)
    named = [replace(run, data=(f"pairs={moved}{share}",)).folder(tmp_path) for share in ("", ":4")]
    assert len({run.folder(tmp_path), *named}) == 3


def test_a_finished_run_is_not_repeated_and_a_missing_one_needs_time(run: Run, tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="base"):
        train([run], tmp_path, 1, seconds=0)
    run.folder(tmp_path).mkdir()
    (run.folder(tmp_path) / "result.json").write_text("{}")
    assert is_finished(run, tmp_path)
    train([run], tmp_path, 1, seconds=0)
    assert train_each({"base": [run]}, tmp_path, 1, seconds=0) == {"base": [run.folder(tmp_path)]}


def test_cpu_seconds_of_a_process_are_told_and_the_deadline_ends_it() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    code, used = _wait(subprocess.Popen([sys.executable, "-c", busy]), time.monotonic() + 60)
    assert code == 0
    assert 0.3 <= used < 10
    slow = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert _wait(slow, time.monotonic())[0] is None
    assert slow.returncode != 0
