"""Trains CLIP on tars, with our loop or with open_clip's, and prints images per second and CPU seconds per image.

    PYTHON benchmarks/train_rate_side.py ours|open_clip CASE.json

Runs in our environment or in that of open_clip. Both loops are left as they are: a hook on all of torch's optimisers
reads the clocks after a step. The first steps, with imports, shuffle buffers and full queues of batches, do not count.
"""

import glob
import importlib
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def tree_cpu_seconds() -> float:
    """Return the CPU seconds of this process, of its children that have ended and of those that live."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + ended.ru_utime + ended.ru_stime
    pids = [os.getpid()]
    for pid in pids:
        for task in glob.glob(f"/proc/{pid}/task/*/children"):
            pids += [int(child) for child in Path(task).read_text().split()]
    for pid in pids[1:]:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


class Clock:
    """Wall and CPU time after the step `warm` and after the last one."""

    def __init__(self, warm: int, steps: int) -> None:
        self.due = (warm, steps)
        self.done = 0
        self.read: list[tuple[float, float]] = []

    def step(self, *_: Any) -> None:
        """Count a step; called after each one."""
        self.done += 1
        if self.done in self.due:
            self.read.append((time.perf_counter(), tree_cpu_seconds()))

    def figures(self, batch: int) -> dict[str, float]:
        """Return images per second, CPU seconds per image and the cores that were busy."""
        (wall, cpu), (wall_end, cpu_end) = self.read
        images = (self.due[1] - self.due[0]) * batch
        seconds, used = wall_end - wall, cpu_end - cpu
        return {"images_per_s": images / seconds, "cpu_ms": 1000 * used / images, "cores": used / seconds}


def ours(case: dict[str, Any]) -> None:
    """Train with `loom train`'s code."""
    run = importlib.import_module("corpusloom.trainers.jobs.train").run
    config = importlib.import_module("corpusloom.trainers.training.config").from_plain(case["ours"])
    with tempfile.TemporaryDirectory() as out:
        run("clip", config, [case["folder"]], out, device="cpu")


def open_clip(case: dict[str, Any]) -> None:
    """Train with open_clip's `open_clip_train.main`."""
    exec(importlib.import_module("tests.interop.environments").TORCHVISION, {})
    peer = importlib.import_module("open_clip")
    with tempfile.TemporaryDirectory() as out:
        model = Path(out) / "benchmark.json"
        model.write_text(json.dumps(case["open_clip"]["model"]))
        peer.add_model_config(model)
        arguments = [*case["open_clip"]["arguments"], "--model", "benchmark", "--logs", out]
        importlib.import_module("open_clip_train.main").main(arguments)


def main(side: str, path: str) -> None:
    """Run one side and print its figures as JSON on the last line."""
    case = json.loads(Path(path).read_text())
    clock = Clock(case["warm"], case["steps"])
    importlib.import_module("torch.optim.optimizer").register_optimizer_step_post_hook(clock.step)
    {"ours": ours, "open_clip": open_clip}[side](case)
    print(json.dumps(clock.figures(case["batch"])), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
