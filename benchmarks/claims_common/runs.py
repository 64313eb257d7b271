"""Training runs of a benchmark: each is one `loom train` in a process of one thread, and several go on at once.

A run is kept in a folder that is named after all that shapes it: a finished one is not repeated, a killed one resumes
from its newest checkpoint.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from corpusloom.schemas.errors import LoomError
from corpusloom.trainers.jobs.train import parse_datasets

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
USED = "cpu_seconds.txt"
"""File in a run's folder: CPU seconds of each process that trained it, one per line."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training run over datasets that are written already."""

    name: str
    """Words of the tables: base, batch 32 ..."""
    config: str
    """Path of the configuration, whose family is trained."""
    data: tuple[str, ...]
    """Values of --data: DATASET, or NAME=DATASET:SHARE of each."""
    settings: tuple[str, ...]
    """Assignments of --set."""
    seed: int
    frozen: tuple[str, ...] = ()
    """Files of frozen weights, whose content shapes the run too."""

    def folder(self, runs: Path) -> Path:
        """Return the run's folder; a changed configuration, dataset, setting or frozen weight is another run."""
        shaped = [Path(self.config).read_text("utf-8")]
        for value, (path, _) in zip(self.data, parse_datasets(self.data).values(), strict=True):
            shaped.append(value.replace(path, Path(path, "manifest.json").read_text("utf-8")))
        shaped += [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in self.frozen]
        digest = hashlib.sha256(json.dumps([*shaped, *self.settings]).encode()).hexdigest()[:8]
        return runs / f"{self.name.replace(' ', '-')}-{digest}-seed{self.seed}"


def train_each(
    wanted: Mapping[str, Sequence[Run]], folder: Path, processes: int, seconds: float
) -> dict[str, list[Path]]:
    """Train the runs of each variant, one per seed, unless they are finished; return variant -> the runs' folders.

    The first seed of all variants comes first.
    """
    train([run for seed in zip(*wanted.values(), strict=True) for run in seed], folder, processes, seconds)
    return {name: [run.folder(folder) for run in runs] for name, runs in wanted.items()}


def train(runs: Sequence[Run], folder: Path, processes: int, seconds: float) -> None:
    """Train the runs that are not finished, `processes` at a time; TimeoutError once the seconds are over."""
    deadline = time.monotonic() + seconds
    missing = [run for run in dict.fromkeys(runs) if not is_finished(run, folder)]
    with ThreadPoolExecutor(processes) as pool:
        outcomes = [pool.submit(_train, run, folder, deadline) for run in missing]
        for at, (run, outcome) in enumerate(zip(missing, outcomes, strict=True), 1):
            outcome.result()
            used = f"{cpu_seconds(run, folder):.0f} CPU s"
            print(f"trained {at} of {len(missing)}: {run.name}, seed {run.seed}, {used}", file=sys.stderr)


def is_finished(run: Run, folder: Path) -> bool:
    """Return True if a run has reached its last step."""
    return (run.folder(folder) / "result.json").exists()


def cpu_seconds(run: Run, folder: Path) -> float:
    """Return the CPU seconds of a run's processes, from their start to their end."""
    return sum(map(float, (run.folder(folder) / USED).read_text().split()))


def _train(run: Run, folder: Path, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError(run.name)
    out = run.folder(folder)
    family = tomllib.loads(Path(run.config).read_text("utf-8"))["family"]
    command = [sys.executable, "-m", "corpusloom", "train", family, "--config", run.config, "--data", *run.data]
    command += ["--out", str(out), "--quiet", "--set", *run.settings, f"train.rng_seed={run.seed}"]
    log = out.with_suffix(".log")
    out.mkdir(parents=True, exist_ok=True)
    with log.open("w") as lines:
        process = subprocess.Popen(command, stdout=lines, stderr=lines, env=os.environ | ONE_THREAD)
        code, used = _wait(process, deadline)
    with (out / USED).open("a") as seconds:
        seconds.write(f"{used:.1f}\n")
    if code is None:
        raise TimeoutError(run.name)
    if code:
        raise LoomError(f"{run.name}, seed {run.seed}, ended with exit code {code}", where=str(log))


def _wait(process: subprocess.Popen[bytes], deadline: float) -> tuple[int | None, float]:
    """Return a process's exit code, None if it was ended at the deadline, and its CPU seconds with its children's."""
    ended = False
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)  # Popen.wait does not tell the CPU seconds
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return None if ended else process.returncode, used.ru_utime + used.ru_stime
        if not ended and time.monotonic() > deadline:
            process.terminate()
            ended = True
        time.sleep(0.1)
