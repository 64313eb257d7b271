"""Runs `loom` in its own process and measures wall seconds, CPU seconds and the memory of the largest process."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from corpusloom.schemas.errors import LoomError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Step:
    """One command that ran: wall seconds, CPU seconds over all its processes, and MB of the largest of them."""

    name: str
    command: str
    seconds: float
    cpu_seconds: float
    memory_mb: float


@dataclass
class Loom:
    """Runs commands in one folder and keeps a list of them."""

    folder: Path
    fetch: tuple[str, ...]
    """Flags of commands that fetch."""
    steps: list[Step] = field(default_factory=list)

    def run(self, name: str, *words: str, fetches: bool = False) -> str:
        """Run `loom WORDS` in the folder; return its standard output. A command that fails ends the run."""
        words = (*words, *self.fetch) if fetches else words
        print(f"\n$ loom {' '.join(words)}", file=sys.stderr, flush=True)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        output = self.folder / "logs" / f"{len(self.steps):02d}-{name.replace(' ', '-')}.txt"
        output.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with output.open("wb") as handle:
            command = [sys.executable, "-m", "corpusloom", *words]
            process = subprocess.Popen(command, cwd=self.folder, stdout=handle, env=environment)
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:  # on an interrupt, end the command as well
                process.terminate()
                raise
            process.returncode = os.waitstatus_to_exitcode(status)
        step = Step(
            name,
            f"loom {' '.join(words)}",
            time.monotonic() - started,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss / 1e3,
        )
        self.steps.append(step)
        if process.returncode:
            raise LoomError(f"exit code {process.returncode}", where=step.command, remedy=f"its output is in {output}")
        return output.read_text()
