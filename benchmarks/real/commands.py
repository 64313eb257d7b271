"""Runs `loom` as a user does, in a process of its own, and measures it: wall and CPU seconds, the largest process."""

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
    """One command that ran: seconds of wall and CPU over all its processes, memory in MB of the largest of them."""

    name: str
    command: str
    seconds: float
    cpu_seconds: float
    memory_mb: float


@dataclass
class Loom:
    """The command line on one folder; every step that ran is kept."""

    folder: Path
    fetch: tuple[str, ...]
    """The flags of commands that fetch."""
    steps: list[Step] = field(default_factory=list)

    def run(self, name: str, *words: str, fetches: bool = False) -> str:
        """Run `loom WORDS` in the folder; return its standard output. A command that fails ends everything."""
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
            except BaseException:  # interrupted: the command goes as well
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
