"""Sums, counts and gathers over the data ranks of a run, and work that all ranks do in step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed._functional_collectives import all_gather_single_autograd

from corpusloom.schemas.errors import LoomError
from corpusloom.trainers.training.distributed import data_group, data_rank, data_ranks, rank, world_size

T = TypeVar("T")


def total(values: Tensor) -> Tensor:
    """Return the sum of a tensor over the data ranks, without gradient."""
    if data_ranks() == 1:
        return values.detach()
    summed = values.detach().clone()
    dist.all_reduce(summed, group=data_group())
    return summed


def totals(counts: Mapping[str, float | Tensor]) -> dict[str, float]:
    """Return named counts summed over the data ranks, which must have the same names."""
    if not counts:
        return {}
    stacked = torch.tensor([float(value) for value in counts.values()], dtype=torch.float64, device=_device())
    return dict(zip(counts, total(stacked).tolist(), strict=True))


class _SumWithGradient(torch.autograd.Function):
    """Sum over the data ranks; each rank's loss depends on the sum, so the gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return total(values)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return total(grads[0].contiguous())


def total_with_gradient(values: Tensor) -> Tensor:
    """Return the sum of a tensor over the data ranks; gradients flow to every rank."""
    return values if data_ranks() == 1 else _SumWithGradient.apply(values)


def row_counts(rows: int) -> list[int]:
    """Return the number of rows of each data rank's batch; they differ when samples cannot be used."""
    if data_ranks() == 1:
        return [rows]
    if dist.get_backend(data_group()) == "fake":  # a dry run: all ranks have the same batch
        return [rows] * data_ranks()
    counts = torch.zeros(data_ranks(), dtype=torch.int64, device=_device())
    counts[data_rank()] = rows
    dist.all_reduce(counts, group=data_group())
    return [int(count) for count in counts.tolist()]


def all_gather(tensor: Tensor, rows: Sequence[int]) -> Tensor:
    """Return the data ranks' tensors stacked in rank order, (B, ...) -> (sum of rows, ...).

    Gradients flow to every rank and are summed there. `rows` is what `row_counts` returns; ranks with fewer rows are
    padded for the exchange.
    """
    if data_ranks() == 1:
        return tensor
    most = max(rows)
    if most == 0:
        return tensor[:0]
    flags = tensor.dtype == torch.bool
    padded = tensor.to(torch.uint8) if flags else tensor
    if len(tensor) < most:
        padded = torch.cat([padded, padded.new_zeros(most - len(tensor), *tensor.shape[1:])])
    gathered: Any = _gather(padded.contiguous())
    if min(rows) < most:
        parts = gathered.split(most)
        gathered = torch.cat([part[:count] for part, count in zip(parts, rows, strict=True)])
    return gathered.bool() if flags else gathered


def _gather(tensor: Tensor) -> Tensor:
    if tensor.requires_grad:
        group: Any = data_group() or dist.group.WORLD
        found: Tensor = all_gather_single_autograd(tensor, 0, group)
        return found
    gathered = tensor.new_empty((data_ranks() * len(tensor), *tensor.shape[1:]))
    dist.all_gather_single(gathered, tensor, group=data_group())
    return gathered


def gather_world(values: Tensor) -> Tensor:
    """Return the values of every rank of the run, in rank order, without gradient: (...) -> (ranks, ...)."""
    if world_size() == 1:
        return values.detach()[None]
    own = values.detach().to(_device())
    gathered = own.new_empty((world_size(), *own.shape))
    dist.all_gather_single(gathered, own[None].contiguous())
    return gathered


def gather_objects(value: T) -> list[T]:
    """Return the values of the data ranks, in rank order."""
    if data_ranks() == 1:
        return [value]
    found: list[Any] = [None] * data_ranks()
    dist.all_gather_object(found, value, group=data_group())
    return found


def together(work: Callable[[], T], group: dist.ProcessGroup | None = None) -> list[T]:
    """Run `work` on every rank of a group (None: all ranks); return the results in rank order.

    If it fails on a rank, that rank raises its own error. The others raise the same LoomError, or for another error a
    RuntimeError that names the rank.
    """
    if not dist.is_initialized():
        return [work()]
    value, own = _attempt(work)
    found: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(found, (value, _as_sent(own)), group=group)
    if own is not None:
        raise own
    for number, (_, sent) in enumerate(found):
        _raise_sent(sent, number)
    return [result for result, _ in found]


def on_rank_0(work: Callable[[], object], group: dist.ProcessGroup | None = None) -> None:
    """Run `work` on rank 0; return on every rank once it is done, with errors as in `together`."""
    together(lambda: work() if rank() == 0 else None, group)


def from_rank_0(make: Callable[[], T]) -> T:
    """Return on every rank what rank 0 makes, with errors as in `together`."""
    if world_size() == 1:
        return make()
    value, own = _attempt(make) if rank() == 0 else (None, None)
    made: list[Any] = [(value, _as_sent(own))]
    dist.broadcast_object_list(made, src=0, device=_device())
    if own is not None:
        raise own
    result, sent = made[0]
    _raise_sent(sent, 0)
    return cast(T, result)


def _attempt(work: Callable[[], T]) -> tuple[T | None, Exception | None]:
    try:
        return work(), None
    except Exception as error:
        return None, error


def _as_sent(error: Exception | None) -> LoomError | str | None:
    """Return an error as other ranks receive it: a LoomError as it is, another one as text."""
    return error if error is None or isinstance(error, LoomError) else f"{type(error).__name__}: {error}"


def _raise_sent(sent: LoomError | str | None, number: int) -> None:
    """Raise the error that a rank sent, if it sent one."""
    if sent is not None:
        raise sent if isinstance(sent, LoomError) else RuntimeError(f"rank {number}: {sent}")


def _device() -> torch.device:
    """Return the device on which the group exchanges tensors."""
    if dist.is_initialized() and dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
