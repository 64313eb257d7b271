"""Collectives over ranks: the process group of torchrun's environment, all-gather with gradient, gradient averaging."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from corpusloom.schemas.errors import ConfigError, LoomError

T = TypeVar("T")
BUCKET_BYTES = 64 << 20


@contextlib.contextmanager
def session(device: str | None = None) -> Iterator[torch.device]:
    """Yield this rank's device; under torchrun the process group exists while the block runs.

    The backend is nccl on CUDA, else gloo. Without RANK in the environment there is one rank and no group.
    """
    chosen = pick_device(device)
    if "RANK" not in os.environ or dist.is_initialized():
        yield chosen
        return
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield chosen
    finally:
        dist.destroy_process_group()


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
    return device


def rank() -> int:
    """Return this process's rank; 0 outside a process group."""
    return dist.get_rank() if dist.is_initialized() else 0


def prints() -> bool:
    """Return whether this process is rank 0 by torchrun's environment, also before and after the process group."""
    return os.environ.get("RANK", "0") == "0"


def world_size() -> int:
    """Return the number of ranks; 1 outside a process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def barrier() -> None:
    """Wait for all ranks."""
    if dist.is_initialized():
        dist.barrier()


class _AllGather(torch.autograd.Function):
    """All-gather along dimension 0; its backward pass sums over ranks, since every rank's loss has every slice."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        ctx.rows = tensor.shape[0]
        gathered = tensor.new_empty((world_size() * tensor.shape[0], *tensor.shape[1:]))
        dist.all_gather_single(gathered, tensor.contiguous())
        return gathered

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        return total[rank() * ctx.rows : (rank() + 1) * ctx.rows]


def all_gather(tensor: Tensor, rows: Sequence[int]) -> Tensor:
    """Return the ranks' tensors stacked in rank order, (B, ...) -> (sum of rows, ...); gradients flow to every rank.

    `rows` is what `row_counts` returns. Ranks with fewer rows are padded for the exchange.
    """
    if world_size() == 1:
        return tensor
    most = max(rows)
    if min(rows) == most:
        return _AllGather.apply(tensor)
    padded = torch.cat([tensor, tensor.new_zeros(most - len(tensor), *tensor.shape[1:])])
    parts = _AllGather.apply(padded).split(most)
    return torch.cat([part[:count] for part, count in zip(parts, rows, strict=True)])


def row_counts(rows: int) -> list[int]:
    """Return the number of rows of each rank's batch; they differ when samples cannot be used."""
    if world_size() == 1:
        return [rows]
    counts = torch.zeros(world_size(), dtype=torch.int64, device=_group_device())
    counts[rank()] = rows
    dist.all_reduce(counts)
    return [int(count) for count in counts.tolist()]


def row_weight(rows: Sequence[int]) -> float:
    """Return the weight of this rank's mean over its rows: the mean over ranks is then the mean over all rows.

    It is 1 if all ranks have the same number of rows, and 0 on a rank without rows.
    """
    return rows[rank()] * world_size() / max(sum(rows), 1)


def gather_objects(value: T) -> list[T]:
    """Return the values of all ranks, in rank order."""
    if world_size() == 1:
        return [value]
    found: list[Any] = [None] * world_size()
    dist.all_gather_object(found, value)
    return found


def from_rank_0(make: Callable[[], T]) -> T:
    """Return on every rank what rank 0 makes, or raise there the LoomError that it raises."""
    if world_size() == 1:
        return make()
    made: list[Any] = [None]
    if rank() == 0:
        try:
            made[0] = make()
        except LoomError as error:
            made[0] = error
    dist.broadcast_object_list(made, src=0, device=_group_device())
    if isinstance(made[0], LoomError):
        raise made[0]
    result: T = made[0]
    return result


def mean_over_ranks(values: Tensor) -> Tensor:
    """Return the mean of a tensor over ranks, without gradient."""
    if world_size() == 1:
        return values
    total = values.detach().clone()
    dist.all_reduce(total)
    return total / world_size()


def same_on_all_ranks(value: int) -> bool:
    """Return whether every rank has the same number."""
    if world_size() == 1:
        return True
    ends = torch.tensor([value, -value], device=_group_device())
    dist.all_reduce(ends, op=dist.ReduceOp.MAX)
    return int(ends[0]) == -int(ends[1])


def _group_device() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")


def broadcast_model(model: nn.Module) -> None:
    """Copy the parameters and buffers of rank 0 to every rank."""
    if world_size() > 1:
        for tensor in (*model.parameters(), *model.buffers()):
            dist.broadcast(tensor.data, src=0)


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace gradients by their means over ranks, in buckets; a gradient that no rank has stays None.

    It is called once per step, after all backward passes of the step, whose number and order may differ.
    """
    if world_size() == 1:
        return
    device = parameters[0].device
    present = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.uint8, device=device)
    dist.all_reduce(present, op=dist.ReduceOp.MAX)
    chosen = [parameter for parameter, flag in zip(parameters, present.tolist(), strict=True) if flag]
    for bucket in _buckets(chosen):
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([grad.reshape(-1) for grad in grads])
        dist.all_reduce(flat)
        flat /= world_size()
        pieces = flat.split([grad.numel() for grad in grads])
        for parameter, grad, piece in zip(bucket, grads, pieces, strict=True):
            parameter.grad = grad.copy_(piece.view_as(grad))


def _buckets(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Yield groups of parameters of one type, in order, each of up to BUCKET_BYTES."""
    bucket: list[nn.Parameter] = []
    size = 0
    for parameter in parameters:
        if bucket and (size + parameter.nbytes > BUCKET_BYTES or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += parameter.nbytes
    if bucket:
        yield bucket
