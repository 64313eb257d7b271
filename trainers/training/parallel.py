"""Applies a model's plan: tensor parallel, activation checkpointing, compilation by block, FSDP2 (arXiv 2304.11277).

The order is that of torchtitan: layers are split, then wrapped for recomputation, then compiled, then sharded.
Gradients are *summed* over data ranks, because each rank's loss is its share of the global sum.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.utils.checkpoint import checkpoint

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.config import ParallelConfig

Model = TypeVar("Model", bound=nn.Module)
STYLES = {"colwise": ColwiseParallel, "rowwise": RowwiseParallel}


@dataclass(frozen=True, kw_only=True, slots=True)
class ParallelPlan:
    """Division of a model among ranks; a model returns it from its method `plan()`."""

    blocks: tuple[str, ...] = ()
    """Names of modules that are each sharded, recomputed and compiled as one unit."""
    methods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Module's name ("": the model) -> its methods other than forward that are called from outside the module."""
    tensor: Mapping[str, str] = field(default_factory=dict)
    """Linear layer's name -> colwise or rowwise: the slice of it that each tensor-parallel rank holds."""
    no_tensor: str = "the model has no tensor-parallel plan"
    """Reason why `tensor` is empty, if it is."""


def plan_of(model: nn.Module) -> ParallelPlan:
    """Return a model's plan; one without the method `plan` is one unit."""
    found = getattr(model, "plan", None)
    return cast(ParallelPlan, found()) if found else ParallelPlan()


def parallelize(model: nn.Module, config: ParallelConfig, *, precision: str = "fp32") -> nn.Module:
    """Divide a model, whose weights are the same on all ranks, as the configuration says; return the same object.

    Without a process group only recomputation and compilation apply.
    """
    plan, mesh = plan_of(model), distributed.mesh()
    blocks = [model.get_submodule(name) for name in plan.blocks]
    if config.tensor > 1:
        _split_layers(model, plan, mesh)
    if config.activation_checkpointing:
        for block in blocks:
            recompute(block)
    if config.compile:
        for block in blocks or [model]:
            block.compile(backend=config.compile_backend)
    if mesh is not None and distributed.data_ranks() > 1:
        _shard(model, plan, blocks, mesh, precision)
    return model


def _split_layers(model: nn.Module, plan: ParallelPlan, mesh: DeviceMesh | None) -> None:
    if not plan.tensor:
        raise ConfigError(plan.no_tensor, where="parallel.tensor", remedy="set it to 1 and use parallel.shard")
    if mesh is None:
        raise ConfigError("tensor parallel needs several ranks", where="parallel.tensor", remedy="run under torchrun")
    styles: Any = {name: STYLES[style]() for name, style in plan.tensor.items()}
    parallelize_module(model, mesh["tensor"], styles)


def recompute(block: nn.Module) -> None:
    """Make a block keep its inputs only, and compute its activations again in the backward pass (arXiv 1604.06174)."""
    passes = partial(checkpoint, block.forward, use_reentrant=False, context_fn=_passes)
    block.forward = passes


_recomputing = contextvars.ContextVar("recomputing", default=False)


def is_recomputing() -> bool:
    """Return whether a block runs for the second time, in the backward pass: statistics are counted in the first."""
    return _recomputing.get()


def _passes() -> tuple[contextlib.AbstractContextManager[None], contextlib.AbstractContextManager[None]]:
    """Return the contexts of a block's first and second pass."""
    return contextlib.nullcontext(), _second_pass()


@contextlib.contextmanager
def _second_pass() -> Iterator[None]:
    token = _recomputing.set(True)
    try:
        yield
    finally:
        _recomputing.reset(token)


def _shard(model: nn.Module, plan: ParallelPlan, blocks: Iterable[nn.Module], mesh: DeviceMesh, precision: str) -> None:
    """Shard blocks, then the rest of the model. With one shard per copy, FSDP2 replicates: state whole on each rank.

    On CUDA, bf16 autocast lets the blocks' weights travel as bf16; what stands outside of them (logit scale, heads)
    stays fp32. On a CPU, whose layer norm refuses weights of another type than its input, all travels as fp32.
    """
    replicate, shard = mesh["replicate"].size(), mesh["shard"].size()
    data = mesh["replicate", "shard"] if replicate > 1 else mesh["shard"]
    assert replicate * shard > 1
    travels = torch.bfloat16 if precision == "bf16" and mesh.device_type == "cuda" else None
    policy = MixedPrecisionPolicy(param_dtype=travels, reduce_dtype=torch.float32 if travels else None,
                                  cast_forward_inputs=False)  # fmt: skip
    for block in blocks:
        fully_shard(block, mesh=data, mp_policy=policy)
    fully_shard(model, mesh=data)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    for name, methods in plan.methods.items():
        for method in methods:
            register_fsdp_forward_method(model.get_submodule(name), method)


def is_divided() -> bool:
    """Return whether each rank holds a part of the model only, by shards or by slices of layers."""
    mesh = distributed.mesh()
    return mesh is not None and mesh["shard"].size() * mesh["tensor"].size() > 1


def with_weights(make: Callable[[], Model], skeleton: Callable[[], Model]) -> Model:
    """Return `make()`, or on ranks that get their part of the weights from rank 0, `skeleton()` on the meta device."""
    if not is_divided() or distributed.rank() == 0:
        return make()
    with torch.device("meta"):
        return skeleton()


def fill_from_rank_0(model: nn.Module, source: nn.Module) -> None:
    """Copy the weights and buffers of rank 0's `source`, which is whole, into a divided model on every rank.

    No rank but rank 0 ever holds more than its own part and one tensor.
    """
    first = distributed.rank() == 0
    full = source.state_dict() if first else {}
    set_model_state_dict(model, full, options=StateDictOptions(full_state_dict=True, broadcast_from_rank0=True))
    buffers = dict(source.named_buffers())
    for name, buffer in model.named_buffers():
        if first:
            buffer.copy_(buffers[name])
        dist.broadcast(buffer, src=0)


def broadcast_state(model: nn.Module) -> None:
    """Copy the parameters and buffers of rank 0 to every rank, before the model is divided."""
    if distributed.world_size() > 1:
        for tensor in (*model.parameters(), *model.buffers()):
            dist.broadcast(tensor.data, src=0)


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float | None) -> Tensor:
    """Scale gradients down to a total norm of `limit` (None: no clipping); return the norm before it, ().

    Norms are taken mesh by mesh, because torch refuses tensors of two meshes in one operation.
    """
    by_mesh: dict[Any, list[Tensor]] = {}
    for parameter in parameters:
        if parameter.grad is not None:
            mesh = parameter.grad.device_mesh if isinstance(parameter.grad, DTensor) else None
            by_mesh.setdefault(mesh, []).append(parameter.grad)
    norms = [whole(torch.nn.utils.get_total_norm(grads)) for grads in by_mesh.values()]
    norm = torch.linalg.vector_norm(torch.stack(norms)) if norms else torch.zeros(())
    if limit is not None:
        scale = (limit / (norm + 1e-6)).clamp(max=1.0)
        for grads in by_mesh.values():
            torch._foreach_mul_([local(grad) for grad in grads], scale)
    return norm


def whole(tensor: Tensor) -> Tensor:
    """Return a distributed tensor's full value; other tensors as they are."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local(tensor: Tensor) -> Tensor:
    """Return this rank's slice of a distributed tensor; other tensors as they are."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
