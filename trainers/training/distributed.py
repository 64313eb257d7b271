"""The ranks of a run: the process group of torchrun's environment, the mesh of its ranks, and this rank's device.

A mesh has three dimensions: ranks of one `tensor` group hold slices of the same layers and see the same samples; ranks
of one `shard` group hold slices of one copy of the state; `replicate` is the number of copies. Ranks that differ in
replicate or shard read different samples: the data ranks.
"""

import contextlib
import datetime
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.config import ParallelConfig

TIMEOUT = datetime.timedelta(minutes=30)
"""Longest time that a rank waits in a collective."""
DIMENSIONS = ("replicate", "shard", "tensor")


@dataclass(slots=True)
class _Run:
    """The mesh of the process's current session, and the group of its data ranks."""

    mesh: DeviceMesh | None = None
    data_group: dist.ProcessGroup | None = None


_run = _Run()


@contextlib.contextmanager
def session(device: str | None = None, parallel: ParallelConfig | None = None) -> Iterator[torch.device]:
    """Yield this rank's device; under torchrun the process group and the mesh exist while the block runs.

    The backend is nccl on CUDA, else gloo. Without RANK in the environment there is one rank and no group. A collective
    that waits longer than `TIMEOUT` raises on every rank that waits.
    """
    chosen = pick_device(device)
    owns = "RANK" in os.environ and not dist.is_initialized()
    if owns:
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        with mesh_session(chosen.type, parallel or ParallelConfig()):
            yield chosen
    finally:
        if owns:
            dist.destroy_process_group()


@contextlib.contextmanager
def mesh_session(device_type: str, parallel: ParallelConfig) -> Iterator[DeviceMesh | None]:
    """Yield the mesh of an existing process group for a configuration; None without a group."""
    if not dist.is_initialized():
        if parallel.tensor > 1 or parallel.shard > 1:
            check_mesh(1, parallel)
        yield None
        return
    shape = check_mesh(dist.get_world_size(), parallel)
    mesh = init_device_mesh(device_type, shape, mesh_dim_names=DIMENSIONS)
    before = _run.mesh, _run.data_group
    _run.mesh, _run.data_group = mesh, mesh["replicate", "shard"]._flatten("data").get_group()
    if shape[1] > 1 and shape[2] > 1:
        mesh["shard", "tensor"]._flatten("state")  # one sum over both, so that ranks round alike
    try:
        yield mesh
    finally:
        _run.mesh, _run.data_group = before


def check_mesh(world_size: int, parallel: ParallelConfig) -> tuple[int, int, int]:
    """Return the mesh's shape (replicate, shard, tensor); ConfigError if the ranks cannot be divided so."""
    if world_size % parallel.tensor:
        raise ConfigError(
            f"tensor is {parallel.tensor}, the run has {world_size} ranks",
            where="parallel",
            remedy="the number of ranks must be a multiple of it",
        )
    data = world_size // parallel.tensor
    shard = data if parallel.shard == -1 else parallel.shard
    if data % shard:
        raise ConfigError(
            f"shard is {shard}, the run has {data} data ranks",
            where="parallel",
            remedy="the number of data ranks (ranks / tensor) must be a multiple of it; -1 means all of them",
        )
    return data // shard, shard, parallel.tensor


def pick_device(device: str | None = None) -> torch.device:
    """Return the named device, else this rank's CUDA device, else the CPU.

    Raises ConfigError for a name that torch does not know or a device that this machine lacks.
    """
    if device is not None:
        return _named_device(device)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def _named_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"no device {name!r} here: {reason}", where="--device", remedy="use cpu, or leave it out"
        ) from error
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return device


def mesh() -> DeviceMesh | None:
    """Return the mesh of the current session; None on one rank without a group."""
    return _run.mesh


def data_group() -> dist.ProcessGroup | None:
    """Return the group of the ranks that read different samples; None: all ranks, or no group at all."""
    return _run.data_group


def rank() -> int:
    """Return this process's rank; 0 outside a process group."""
    return dist.get_rank() if dist.is_initialized() else 0


def prints() -> bool:
    """Return whether this process is rank 0 by torchrun's environment, also before and after the process group."""
    return os.environ.get("RANK", "0") == "0"


def world_size() -> int:
    """Return the number of ranks; 1 outside a process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def data_rank() -> int:
    """Return this rank's number among the data ranks."""
    return dist.get_rank(_run.data_group) if dist.is_initialized() else 0


def data_ranks() -> int:
    """Return the number of data ranks."""
    return dist.get_world_size(_run.data_group) if dist.is_initialized() else 1


def barrier() -> None:
    """Wait for all ranks."""
    if dist.is_initialized():
        dist.barrier()
