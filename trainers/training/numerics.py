"""Settings of a computation: precision of forward passes and of losses, which is at least float32; threads."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return a tensor of lower precision as float32; float32 and float64 as they are."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def full_precision(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return a context without autocast: a matrix product inside it keeps the precision of its inputs."""
    return torch.autocast(device.type, enabled=False)


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which forward passes run: bf16 autocast, or nothing for fp32."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


@contextlib.contextmanager
def own_torch_state(threads: int | None, device: torch.device) -> Iterator[None]:
    """Set torch's number of threads, None leaves it; restore it and torch's random state after the block."""
    before = torch.get_num_threads()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
