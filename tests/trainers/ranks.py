"""Runs a function in several gloo processes on this machine, as under torchrun."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch import multiprocessing as mp

from benchmarks.nginx import free_port
from corpusloom.trainers.training import distributed

PRELOADED = [
    "tests.trainers.ranks",
    "corpusloom.trainers.run",
    "transformers.models.gpt2.modeling_gpt2",
    "torch._dynamo",
]
"""Modules that are imported once per test process; ranks are forked from one that has them."""
Work = Callable[[], dict[str, Tensor]]


def run_ranks(work: Work, folder: Path, world_size: int = 2) -> list[dict[str, Tensor]]:
    """Return the result of `work`, a function of a module, in each rank."""
    port = free_port()
    multiprocessing.set_forkserver_preload(PRELOADED)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    arguments = (work, str(folder), world_size, port, environment)
    mp.start_processes(_rank, arguments, nprocs=world_size, start_method="forkserver")
    return [load_file(folder / f"{rank}.safetensors") for rank in range(world_size)]


def _rank(rank: int, work: Work, folder: str, world_size: int, port: int, environment: dict[str, str]) -> None:
    torch.set_num_threads(1)
    os.environ |= environment | {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo",
    }
    with distributed.session("cpu"):
        save_file({name: value.contiguous() for name, value in work().items()}, f"{folder}/{rank}.safetensors")
