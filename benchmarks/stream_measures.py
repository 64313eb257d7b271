"""Measures a loader: memory, CPU time, rates. Imported by `stream.py` and, in their own environments, by its peers."""

import glob
import importlib
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BATCH, SIDE = 64, 224
Figures = dict[str, float]


def decoding() -> Any:
    """Return the module of decoding and resizing, with which all loaders do the same work."""
    sys.path.insert(0, str(ROOT))
    return importlib.import_module("corpusloom.trainers.stream.samples.image_ops")


def square(data: bytes) -> Any:
    """Return the central square of a JPEG, decoded and resized to uint8 (SIDE, SIDE, 3)."""
    ours = decoding()
    return ours.centre_square(ours.decode_near(data, SIDE), SIDE)


def memory() -> float:
    """Return the PSS of this process and its children in MB."""
    pids = [os.getpid()]
    for pid in pids:
        for task in glob.glob(f"/proc/{pid}/task/*/children"):
            pids += [int(child) for child in Path(task).read_text().split()]
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # ended meanwhile
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def raw(items: Iterator[Any], count: int) -> Figures:
    """Measure samples as bytes in one process."""
    next(items)
    wall, cpu = time.perf_counter(), time.process_time()
    taken = sum(1 for _ in islice(items, count - 1))
    return {"cpu_ms": 1000 * (time.process_time() - cpu) / taken, "per_s": taken / (time.perf_counter() - wall)}


def batches(iterator: Iterator[Any], count: int, before: float, started: float) -> Figures:
    """Measure batches: seconds to the first one, rate, CPU of the process and its living children, peak memory."""
    next(iterator)
    first = time.perf_counter() - started
    wall, cpu = time.perf_counter(), cpu_seconds()
    taken, most = 0, 0.0
    for number, batch in enumerate(islice(iterator, max(count // BATCH - 1, 1))):
        taken += len(batch["image" if "image" in batch else "images"])
        if number % 8 == 7:
            most = max(most, memory() - before)
    seconds = time.perf_counter() - wall
    used = cpu_seconds() - cpu
    return {"first_s": first, "per_s": taken / seconds, "memory_mb": most, "cpu_ms": 1000 * used / max(taken, 1)}


def cpu_seconds() -> float:
    """Return the CPU seconds of this process, its threads and its living children."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = sum(os.times()[:4])
    for task in glob.glob("/proc/self/task/*/children"):
        for child in Path(task).read_text().split():
            try:
                fields = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            total += sum(int(field) for field in fields[11:15]) / ticks
    return total


def share_error(names: Iterator[int], share: float, count: int) -> float:
    """Return the largest difference between `share` and the share of data set 0 in any 1,000 samples."""
    drawn = [int(name == 0) for name in islice(names, count)]
    inside = sum(drawn[:1000])
    worst = abs(inside / 1000 - share)
    for at in range(1000, len(drawn)):
        inside += drawn[at] - drawn[at - 1000]
        worst = max(worst, abs(inside / 1000 - share))
    return worst
