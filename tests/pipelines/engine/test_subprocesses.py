"""Work in separate processes: results, errors, killed processes, and what the remaining ones still do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpusloom.pipelines.engine.subprocesses import run_in_processes
from corpusloom.schemas.errors import ConfigError, LoomError


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def fail(number: int) -> int:
    if number == 1:
        raise ConfigError("this one is wrong", remedy="give another")
    return number


def die(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def hold(task: tuple[str, str]) -> None:
    """Wait until interrupted, then commit; or fail once the other process waits."""
    folder, name = task
    if name == "fails":
        while not (Path(folder) / "waits").exists():
            time.sleep(0.01)
        raise LoomError("failed")
    (Path(folder) / name).touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        (Path(folder) / "committed").touch()
        raise


def test_each_task_has_a_process_of_its_own() -> None:
    results = list(run_in_processes(square, [1, 2, 3], 2))
    assert sorted(value for value, _ in results) == [1, 4, 9]
    assert len({process for _, process in results} | {os.getpid()}) == 4


def test_an_error_is_raised_again_unchanged() -> None:
    with pytest.raises(ConfigError, match="this one is wrong"):
        list(run_in_processes(fail, [1, 2], 2))


def test_a_process_that_died_is_an_error() -> None:
    with pytest.raises(LoomError, match="a process ended with exit code -9"):
        list(run_in_processes(die, [1, 2], 2))


def test_the_others_commit_when_one_fails(tmp_path: Path) -> None:
    with pytest.raises(LoomError, match="failed"):
        list(run_in_processes(hold, [(str(tmp_path), "waits"), (str(tmp_path), "fails")], 2))
    assert (tmp_path / "committed").exists()


PARENT = """
import sys
from corpusloom.pipelines.engine.subprocesses import run_in_processes
from tests.pipelines.engine.test_subprocesses import hold
if __name__ == "__main__":
    list(run_in_processes(hold, [(sys.argv[1], "waits")], 1))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        env=environment,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    _until((tmp_path / "waits").exists)
    parent.send_signal(how)
    parent.wait(20)
    _until((tmp_path / "committed").exists)


def _until(happened: object, seconds: float = 20) -> None:
    assert callable(happened)
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)
