"""Training runs of the benchmark: each is one `loom train clip` in a process of one thread, and several go on at once.

A run is kept in a folder that is named after all that shapes it: a finished one is not repeated, a killed one resumes
from its newest checkpoint.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from corpusloom.schemas.errors import LoomError

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Run:
    """One training run over a dataset that is written already."""

    name: str
    """Words of the tables: base, batch 32 ..."""
    config: str
    data: str
    settings: tuple[str, ...]
    """Assignments of --set."""
    seed: int

    def folder(self, runs: Path) -> Path:
        """Return the run's folder; a changed configuration, dataset or setting is another run."""
        shaped = [Path(self.config).read_text("utf-8"), Path(self.data, "manifest.json").read_text("utf-8")]
        digest = hashlib.sha256(json.dumps([*shaped, *self.settings]).encode()).hexdigest()[:8]
        return runs / f"{self.name.replace(' ', '-')}-{digest}-seed{self.seed}"


def train(runs: Sequence[Run], folder: Path, processes: int, seconds: float) -> None:
    """Train the runs that are not finished, `processes` at a time; TimeoutError once the seconds are over."""
    deadline = time.monotonic() + seconds
    missing = [run for run in dict.fromkeys(runs) if not is_finished(run, folder)]
    with ThreadPoolExecutor(processes) as pool:
        outcomes = [pool.submit(_train, run, folder, deadline) for run in missing]
        for at, outcome in enumerate(outcomes, 1):
            outcome.result()
            print(
                f"trained {at} of {len(missing)}: {missing[at - 1].name}, seed {missing[at - 1].seed}", file=sys.stderr
            )


def is_finished(run: Run, folder: Path) -> bool:
    """Return True if a run has reached its last step."""
    return (run.folder(folder) / "result.json").exists()


def _train(run: Run, folder: Path, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError(run.name)
    out = run.folder(folder)
    command = [sys.executable, "-m", "corpusloom", "train", "clip", "--config", run.config, "--data", run.data]
    command += ["--out", str(out), "--quiet", "--set", *run.settings, f"train.rng_seed={run.seed}"]
    log = out.with_suffix(".log")
    out.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as lines:
        process = subprocess.Popen(command, stdout=lines, stderr=lines, env=os.environ | ONE_THREAD)
        try:
            code = process.wait(left)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
            raise TimeoutError(run.name) from None
    if code:
        raise LoomError(f"{run.name}, seed {run.seed}, ended with exit code {code}", where=str(log))
