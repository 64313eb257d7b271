"""Runs the command `loom` in its own process, and checks its output, exit code and reaction to Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 200.0
"""Seconds until a process counts as stuck."""

PAUSED = """
import importlib, sys, time
from pathlib import Path
place, seconds, marker, *argv = sys.argv[1:]
module, name = place.split(":")
home = importlib.import_module(module)
real = getattr(home, name)
def paused(*arguments, **named):
    Path(marker).touch()
    time.sleep(float(seconds))
    return real(*arguments, **named)
setattr(home, name, paused)
sys.argv = ["loom", *argv]
from corpusloom.pipelines.cli.main import main
main()
"""
"""Runs a command that pauses before a function, so that a signal arrives in the intended stage."""


@dataclass(frozen=True)
class Ended:
    """Result of a command."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """Last line on standard error."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


def environment(site: str = "") -> dict[str, str]:
    """Return the environment of a child: this checkout or another `site`, one thread, no colours."""
    return {**os.environ, "PYTHONPATH": site or os.getcwd(), "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "200"}


def loom(*argv: str, **options: Any) -> Ended:
    """Run a command to its end."""
    command = [sys.executable, "-m", "corpusloom", *argv]
    options = {"stdout": subprocess.PIPE, **options}
    done = subprocess.run(
        command, stderr=subprocess.PIPE, text=True, env=environment(), timeout=PATIENCE, check=False, **options
    )
    return Ended(done.returncode, done.stdout or "", done.stderr)


def hear_interrupts() -> None:
    """Restore Python's SIGINT handler in a child: children of a shell's background job ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupt(command: Sequence[str], ready: Callable[[], bool], **options: Any) -> Ended:
    """Start a process group, send it the SIGINT that a terminal sends at Ctrl-C as soon as `ready`, and wait."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_interrupts,
        **{"env": environment(), **options},
    )
    until = time.monotonic() + PATIENCE
    while not ready() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return Ended(process.returncode, out, err)


def interrupt_at(place: str, marker: Path, *argv: str, seconds: float = 30, **options: Any) -> Ended:
    """Send Ctrl-C to a command while it waits before a function, "module:name"."""
    marker.unlink(missing_ok=True)
    command = [sys.executable, "-c", PAUSED, place, str(seconds), str(marker), *argv]
    ended = interrupt(command, marker.exists, **options)
    assert marker.exists(), f"{place} was never reached: {ended.err}"
    return ended


def check_interrupted(ended: Ended) -> None:
    """Check that a command reported in one line that it was interrupted, and how to continue."""
    assert ended.code in (130, -signal.SIGINT), ended.err  # a shell reports both as 130
    assert ended.complaint == "interrupted: finished work is kept; run the same command to resume"
    assert "Traceback" not in ended.err


def check_refused(ended: Ended, code: int, *words: str) -> None:
    """Check that a command ended with this exit code and with one line that contains these words."""
    assert ended.code == code, ended.err
    assert "Traceback" not in ended.err
    assert [line for line in ended.err.splitlines() if line.startswith("error: ")] == [ended.complaint]
    for word in words:
        assert word in ended.complaint
