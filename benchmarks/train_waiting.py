"""Time that training stands still: for data, and for checkpoints; and the memory that a save takes."""

import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.peak import clear_peak, peak_megabytes
from benchmarks.stream import make_material
from corpusloom.trainers import registry
from corpusloom.trainers.training.checkpoint import Checkpointer
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.training.step import prepare_run

STEPS = 60


def data_wait(rounds: int, *changes: str) -> float:
    """Return the share of clip-tiny's steps that waits for data, on two cores, without the cache of decoded images.

    The shards hold JPEGs of 36 KB. It is the least of some rounds of 60 steps, of which the first 20 do not count.
    """
    with tempfile.TemporaryDirectory() as folder:
        make_material(folder, tars=2, samples=1000)
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
        return min(_waiting_share(folder, changes) for _ in range(rounds))


def _waiting_share(folder: str, changes: tuple[str, ...]) -> float:
    config = load_config("clip-tiny", ["data.cache_bytes=0", *changes])
    threads = torch.get_num_threads()
    torch.set_num_threads(config.train.threads or threads)
    task = registry.build_task(config, {"pairs": (folder, 1.0)})
    run = prepare_run(task, config.train, config.parallel, torch.device("cpu"))
    for step in range(STEPS):
        if step == STEPS // 3:
            run.stopwatch.read()
        run.update(step)
    total, parts = run.stopwatch.read()
    task.stream.close()
    torch.set_num_threads(threads)
    return parts["data"] / total


def _state(layers: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Sequential(*(nn.Linear(1024, 1024) for _ in range(layers)))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.zeros(1, 1024)).sum().backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return model, optimizer


def save_stall(rounds: int, layers: int = 48) -> float:
    """Return the time that training stands still for a save over the time that writing it takes, of 600 MB of state."""
    model, optimizer = _state(layers)
    still, written = [], []
    with tempfile.TemporaryDirectory() as folder, Checkpointer(folder, keep=1) as checkpointer:
        for number in range(rounds + 1):  # the first save makes the snapshot's buffers
            before = time.perf_counter()
            checkpointer.save(2 * number, model, optimizer)
            still.append(time.perf_counter() - before)
            checkpointer.finish()
            before = time.perf_counter()
            checkpointer.save(2 * number + 1, model, optimizer, wait=True)
            written.append(time.perf_counter() - before)
    return min(still[1:]) / min(written[1:])


def save_memory(layers: int = 48) -> dict[str, float]:
    """Return the memory that a save takes, as a share of the trained state.

    With a snapshot it is what is above the kept buffer, which is as large as the state.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:
        return {name: pool.apply(_peak_of_save, (layers, name == "snapshot")) for name in ("snapshot", "in line")}


def _peak_of_save(layers: int, snapshot: bool) -> float:
    torch.set_num_threads(1)
    model, optimizer = _state(layers)
    state = 3 * sum(parameter.nbytes for parameter in model.parameters())
    with tempfile.TemporaryDirectory() as folder, Checkpointer(folder, keep=1, snapshot=snapshot) as checkpointer:
        small = {"model": nn.Linear(8, 8)}
        _warm_up(Path(folder), small)
        clear_peak()
        before = peak_megabytes()
        checkpointer.save(1, model, optimizer, wait=True)
        above = (peak_megabytes() - before) * (1 << 20) - (state if snapshot else 0)
    return above / state


def _warm_up(folder: Path, parts: dict[str, Any]) -> None:
    """Save a small model, so that what is imported for a save does not count."""
    model = parts["model"]
    with Checkpointer(str(folder / "warm"), keep=1) as checkpointer:
        checkpointer.save(1, model, torch.optim.AdamW(model.parameters()), wait=True)
