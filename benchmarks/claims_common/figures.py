"""Figures of trained runs: each is measured once, in a process of one thread, and kept in a file."""

import multiprocessing
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from benchmarks.build import cpu

Values = Mapping[str, np.ndarray]
"""Figure -> its values."""


def kept(path: Path, make: Callable[[], Values]) -> Values:
    """Return the arrays that `make` returned once, kept in a file."""
    if not path.exists():
        part = path.with_suffix(".part.npz")
        np.savez(part, **make())
        part.replace(path)
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def measure_each(jobs: Sequence[Callable[[], object]], processes: int) -> None:
    """Run jobs that keep their figures, `processes` at a time; print the CPU seconds of each."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=torch.set_num_threads, initargs=(1,)) as workers:
        for at, outcome in enumerate([workers.submit(cpu, job) for job in jobs], 1):
            print(f"measured {at} of {len(jobs)}: {outcome.result():.0f} CPU s", file=sys.stderr)
