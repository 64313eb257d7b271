"""Runs tests on mutants, one forked process each, in a copy of the repository: `python -m tests.mutants.forked_tests`.

It reads one task per line of JSON on standard input, and writes one outcome per line on standard output. Heavy
libraries are imported once, here; the tested modules are imported in the fork, so that they contain the mutant.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

HEAVY = ("apache_beam", "cv2", "hypothesis", "numpy", "PIL.Image", "pyarrow.compute", "pyarrow.parquet", "pytest")
"""Modules that are imported before the fork, none of ours among them."""
FAILED = 1
"""pytest's exit status when a test failed."""


@dataclass(frozen=True, slots=True)
class Task:
    """A mutant and the tests that may find it."""

    name: str
    path: str
    """The file to change, relative to the working folder."""
    source: str
    """Its changed text."""
    tests: list[str]
    """Node ids of pytest, in the order in which they run."""
    seconds: float
    """Time after which the tests are stopped."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of testing a mutant."""

    name: str
    outcome: str
    """killed, timeout, survived, or error: the tests could not be run."""
    test: str
    """The test that failed, else ""."""
    seconds: float


def run(task: Task, log: Path) -> Outcome:
    """Change the file, run the tests in a fork, change it back."""
    path, started = Path(task.path), time.monotonic()
    original = path.read_text()
    path.write_text(task.source)
    try:
        child = os.fork()
        if child == 0:
            _run_tests(task.tests, log)
        status = _wait(child, task.seconds)
    finally:
        path.write_text(original)
    names = {None: "timeout", 0: "survived", FAILED: "killed"}
    failed = [line.split()[1] for line in log.read_text("utf-8", "replace").splitlines() if line.startswith("FAILED ")]
    # A mutant that cannot be imported, or that ends the process, is found as well.
    outcome = names.get(status, "killed" if task.source != original else "error")
    return Outcome(task.name, outcome, failed[0] if failed else "", round(time.monotonic() - started, 2))


def _run_tests(tests: list[str], log: Path) -> None:
    """Run tests up to the first that fails, and end this process."""
    os.setsid()
    with log.open("wb") as handle:
        os.dup2(handle.fileno(), 1)
        os.dup2(handle.fileno(), 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    import hypothesis
    import pytest

    hypothesis.settings.register_profile("mutants", deadline=None, derandomize=True, database=None)
    hypothesis.settings.load_profile("mutants")
    options = ["-x", "-q", "--tb=no", "-rf", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist"]
    status = pytest.main([*options, *tests])
    sys.stdout.flush()
    os._exit(int(status))


def _wait(child: int, seconds: float) -> int | None:
    """Return a process's exit status, or None if it was stopped, along with its children."""
    deadline = time.monotonic() + seconds
    status: int | None = None
    while time.monotonic() < deadline:
        ended, code = os.waitpid(child, os.WNOHANG)
        if ended:
            status = os.waitstatus_to_exitcode(code)
            break
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if status is None:
        os.waitpid(child, 0)
    return status


def main() -> None:
    """Answer tasks until standard input ends."""
    for name in HEAVY:
        importlib.import_module(name)
    log = Path(f"mutant-{os.getpid()}.log")
    for line in sys.stdin:
        outcome = run(Task(**json.loads(line)), log)
        print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
