"""Runs a function in several gloo processes on this machine, as under torchrun."""

import contextlib
import os
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch import multiprocessing as mp
from torch.distributed import TCPStore

from corpusloom.trainers.training import distributed

PRELOADED = [
    "tests.trainers.ranks",
    "corpusloom.trainers.jobs.train",
    "transformers.models.gpt2.modeling_gpt2",
    "torch._dynamo",
]
"""Modules that are imported once per call of `run_ranks`; its ranks are forked from a process that has them."""
Work = Callable[[], dict[str, Tensor]]


def run_ranks(work: Work, folder: Path, world_size: int = 2) -> list[dict[str, Tensor]]:
    """Return the result of `work`, a function of a module, in each rank."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with meeting_place() as place, preloaded_server():
        arguments = (work, str(folder), world_size, environment | place)
        mp.start_processes(_rank, arguments, nprocs=world_size, start_method="forkserver")
    return [load_file(folder / f"{rank}.safetensors") for rank in range(world_size)]


@contextlib.contextmanager
def meeting_place() -> Iterator[dict[str, str]]:
    """Yield the environment by which ranks find each other: a store of this process, as that of torchrun's agent.

    The system chooses its port. A free port that rank 0 opens later may be another test's by then, and rank 1 then
    waits there for ever.
    """
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    yield {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    del store


@contextlib.contextmanager
def preloaded_server() -> Iterator[None]:
    """Fork from a server of its own: the pools of other tests would inherit the size of its modules."""
    server: Any = forkserver._forkserver  # type: ignore[attr-defined]
    before = server._preload_modules
    server._stop()
    server.set_forkserver_preload(PRELOADED)
    try:
        yield
    finally:
        server._stop()
        server._preload_modules = before


def _rank(rank: int, work: Work, folder: str, world_size: int, environment: dict[str, str]) -> None:
    torch.set_num_threads(1)
    os.environ |= environment | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size)}
    with distributed.session("cpu"):
        save_file({name: value.contiguous() for name, value in work().items()}, f"{folder}/{rank}.safetensors")
