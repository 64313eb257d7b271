"""Work that all ranks do in step: each learns the results of all, and an error of one is an error of all."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch.distributed as dist

from corpusloom.schemas.errors import LoomError

T = TypeVar("T")


def together(work: Callable[[], T], group: dist.ProcessGroup | None = None) -> list[T]:
    """Run `work` on every rank of a group (None: all ranks); return the results in rank order.

    If it fails on a rank, that rank raises its own error. The others raise the same LoomError, or for another error a
    RuntimeError that names the rank.
    """
    if not dist.is_initialized():
        return [work()]
    value: T | None = None
    own: Exception | None = None
    try:
        value = work()
    except Exception as error:
        own = error
    sent = own if own is None or isinstance(own, LoomError) else f"{type(own).__name__}: {own}"
    found: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(found, (value, sent), group=group)
    if own is not None:
        raise own
    for rank, (_, met) in enumerate(found):
        if met is not None:
            raise met if isinstance(met, LoomError) else RuntimeError(f"rank {rank}: {met}")
    return [result for result, _ in found]


def on_first(work: Callable[[], object], group: dist.ProcessGroup | None = None) -> None:
    """Run `work` on rank 0; return on every rank once it is done, or raise its error."""

    def run() -> None:
        if own_rank() == 0:
            work()

    together(run, group)


def own_rank() -> int:
    """Return this process's rank; 0 outside a process group."""
    return dist.get_rank() if dist.is_initialized() else 0
