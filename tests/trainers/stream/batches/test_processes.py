"""Batches made by processes: equal to those of threads, in shared memory; a killed worker is an error, never a hang."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.batches.processes import WorkerError
from corpusloom.trainers.stream.dataset import StreamingDataset
from tests.trainers.stream.datasets import make_dataset, make_pairs


def draw(sample: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return a sample's length and a draw; raise an error for picture 7."""
    if sample.text == "picture 7":
        raise OSError("seven")
    return {"length": np.asarray(len(sample.image)), "drawn": rng.random(2, dtype=np.float32)}


def die(sample: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Kill the process at picture 3, as the kernel does when memory runs out."""
    if sample.text == "picture 3":
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(sample, rng)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_dataset(tmp_path_factory.mktemp("pairs"), "pairs", make_pairs(40), shards=4)


def plain(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: value if name == "keys" else value.tolist() for name, value in batch.items()}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_processes_make_the_batches_of_threads_and_leak_no_memory(data: str) -> None:
    threads = StreamingDataset(data).batches(6, transform=draw, epochs=2)
    expected = [plain(batch) for batch in threads]
    held = []
    for _ in range(2):
        stream = StreamingDataset(data)
        processes = stream.batches(6, transform=draw, epochs=2, processes=True)
        batches = list(processes)
        assert [plain(batch) for batch in batches] == expected
        assert stream.skipped == {"unreadable": 2}
        assert processes.skipped == threads.skipped
        batches[0]["drawn"][0] = 1.0  # the caller may write into it
        processes.close()
        del batches
        gc.collect()
        held.append(descriptors())
    assert held[1] <= held[0]


def test_a_killed_worker_is_an_error_and_the_stream_resumes_where_it_stood(data: str) -> None:
    stream = StreamingDataset(data)
    batches = stream.batches(4, transform=die, workers=2, processes=True)
    keys: list[str] = []

    def go_on() -> None:
        for batch in batches:
            keys.extend(batch["keys"])

    with pytest.raises(WorkerError, match="by SIGKILL"):
        go_on()
    again = StreamingDataset(data)
    again.load_state_dict(stream.state_dict())
    for batch in again.batches(4, transform=draw, epochs=1):
        keys += batch["keys"]
    assert keys[:40] == [sample.key for sample in StreamingDataset(data)]


def test_a_transform_that_cannot_be_pickled_and_a_contradictory_plan_are_refused(data: str) -> None:
    stream = StreamingDataset(data)
    with pytest.raises(ConfigError, match="function of a module"):
        next(stream.batches(4, transform=lambda sample, rng: {}, processes=True))
    with pytest.raises(ConfigError, match="use threads"):
        stream.batches(4, transform=draw, processes=True, pin=True)
    with pytest.raises(ConfigError, match="workers"):
        stream.batches(4, transform=draw, processes=True, workers=0)


def test_pinned_memory_without_cuda_is_a_clear_error(data: str) -> None:
    torch = pytest.importorskip("torch")
    batches = StreamingDataset(data).batches(4, transform=draw, workers=0, pin=True)
    if torch.cuda.is_available():
        assert next(batches)["drawn"].is_pinned()
    else:
        with pytest.raises(ConfigError, match="without CUDA"):
            next(batches)


PARENT = """
import multiprocessing, sys, time
from tests.trainers.stream.batches.test_processes import draw
from corpusloom.trainers.stream.dataset import StreamingDataset
if __name__ == "__main__":
    batches = StreamingDataset(sys.argv[1]).batches(4, transform=draw, processes=True)
    next(batches)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(60)
"""


def test_workers_end_with_their_parent(data: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen([sys.executable, str(script), data], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert len(workers) == 2
    process.kill()
    process.communicate()
    for _ in range(200):
        if not any(Path(f"/proc/{pid}/cmdline").exists() and _alive(pid) for pid in workers):
            return
        time.sleep(0.05)
    pytest.fail("a worker outlived its parent")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
