"""Time that training stands still for a checkpoint, and the memory that saving takes.

`python -m benchmarks.checkpoint --megabytes 256` prints, for a model of that size under AdamW: the seconds of a save
with a snapshot and without, their ratio, and the peak of memory above the state in sizes of the model.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from benchmarks.peak import clear_peak, peak_megabytes
from corpusloom.trainers.training.checkpoint import Checkpointer

WIDTH = 1024


def make_run(megabytes: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return a model of about this size, and AdamW with its two moments."""
    model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(max(1, megabytes // 4))))
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    return model, optimizer


def megabytes_above(work: Callable[[], object]) -> float:
    """Return by how many MiB this process grew at most while `work` ran (Linux)."""
    clear_peak()
    before = peak_megabytes()
    work()
    return peak_megabytes() - before


def measure(folder: str, megabytes: int, saves: int) -> dict[str, float]:
    """Return the median seconds of a save, in line and with a snapshot, and memory in sizes of the model."""
    model, optimizer = make_run(megabytes)
    size = sum(parameter.nbytes for parameter in model.parameters()) / (1 << 20)
    found: dict[str, float] = {}
    for name, snapshot in (("in line", False), ("snapshot", True)):
        saver, times = Checkpointer(f"{folder}/{name}", keep=1, snapshot=snapshot), list[float]()
        memory = [megabytes_above(partial(save, saver, step, model, optimizer, times)) for step in range(1, saves + 2)]
        found[f"{name}: seconds"] = statistics.median(times[1:])
        found[f"{name}: memory of the first save"] = memory[0] / size
        found[f"{name}: memory of a later save"] = max(memory[1:]) / size
    return {**found, "ratio": found["snapshot: seconds"] / found["in line: seconds"]}


def save(
    saver: Checkpointer, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, times: list[float]
) -> None:
    """Save, note how long training stands still, and wait until the checkpoint is complete."""
    began = time.perf_counter()
    saver.save(step, model, optimizer)
    times.append(time.perf_counter() - began)
    saver.finish()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--saves", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="checkpoint-") as folder:
        for name, value in measure(folder, options.megabytes, options.saves).items():
            print(f"{name:<40} {value:.3f}")


if __name__ == "__main__":
    main()
