"""Precision of losses: at least float32, whatever autocast does around them; float64 stays float64."""

import contextlib
from typing import Any

import torch
from torch import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return a tensor of lower precision as float32; float32 and float64 as they are."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def full_precision(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return a context without autocast: a matrix product inside it keeps the precision of its inputs."""
    return torch.autocast(device.type, enabled=False)
