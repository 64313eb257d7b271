"""Answers "does it fit?" before a run: memory and FLOPs of one device, for any number of ranks, without data.

Two steps of the training loop (`training.loop.Run.update`) run over a model of fake tensors, which have shapes and no
memory, as rank 0 of torch's fake process group, whose collectives exchange nothing. torch's memory tracker counts every
allocation. The batch is real and nearly empty, so that numbers which depend on it (rows, masked words) are known.
"""

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.distributed._tools.mem_tracker import MemTracker
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from corpusloom.trainers import registry
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.loop import Run, prepare_run
from corpusloom.trainers.training.parallel import local
from corpusloom.trainers.training.task import Loss, Objective, StepContext, TrainingTask


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Bytes of one device in a step. The peak is below their sum: gradients come as activations go."""

    parameters: int
    """Its share of the weights and buffers, frozen ones included."""
    gradients: int
    """Its share of the gradients."""
    optimizer: int
    """Its share of the optimiser's state, and of the moving average of the weights if there is one."""
    activations: int
    """What is kept for the backward pass: activations, the batch, gathered parameters; the most over a step's losses."""
    peak: int
    """Largest number of bytes at one time."""


def dry_run(
    config: RunConfig, *, world_size: int = 1, datasets: Sequence[str] = (), device_memory: int | None = None
) -> dict[str, Any]:
    """Return what `loom train --dry-run --json` prints for a configuration on so many ranks.

    Keys: name, world_size, mesh (replicate, shard, tensor), parameters (total, trainable, frozen, by_part), memory (see
    `Memory`) and flops_per_step, both per device, and with `device_memory` (bytes) `fits` and `shard_that_fits`.
    ConfigError if the ranks cannot be divided as configured. `datasets` are names, for a family with a loss for each.
    """
    mesh = dict(zip(distributed.DIMENSIONS, distributed.check_mesh(world_size, config.parallel), strict=True))
    model, memory, flops = cost(config, world_size, datasets)
    described = {
        "name": config.name,
        "world_size": world_size,
        "mesh": mesh,
        "parameters": count_parameters(model),
        "memory": asdict(memory),
        "flops_per_step": flops,
    }
    if device_memory is not None:
        described["fits"] = memory.peak <= device_memory
        described["shard_that_fits"] = (
            mesh["shard"] if described["fits"] else _shard_that_fits(config, world_size, datasets, memory, device_memory)
        )
    return described


def cost(config: RunConfig, world_size: int = 1, datasets: Sequence[str] = ()) -> tuple[nn.Module, Memory, int]:
    """Return the model, with fake weights, and the memory and FLOPs of one device in a step."""
    config = replace(config, parallel=replace(config.parallel, compile=False))
    family, mode = registry.family(config.family), FakeTensorMode(allow_non_fake_inputs=True)
    names = datasets or tuple(config.data.get("lambdas") or ("data",))
    with _ranks(world_size), distributed.mesh_session("cpu", config.parallel), torch.random.fork_rng():
        model = _with_fake_weights(_on_meta(config), mode)
        whole = _with_fake_weights(_on_meta(config), mode)
        task = TrainingTask(
            model=model,
            objective=_RealBatches(family.build_objective(config, names)),
            stream=_Examples(lambda: family.example_batch(config, config.train.batch_size, names)),
            example=lambda: family.example_batch(config, 1, names),
        )
        with mode, _RealStaysReal():
            run = prepare_run(task, config.train, config.parallel)
            for name, parameter in model.named_parameters():
                whole.get_parameter(name).requires_grad_(parameter.requires_grad)
            return whole, *_measure(run, task.objective)


def _measure(run: Run, objective: "_RealBatches") -> tuple[Memory, int]:
    """Return memory and FLOPs of the second step; the first one makes the optimiser's state."""
    run.update(0)
    run.optimizer.zero_grad(set_to_none=True)
    tracker = _Tracker(run)
    before, kept = tracker.held(), [0]
    objective.on_loss = lambda: kept.append(tracker.held() - before)
    flops = FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION)
    with _swept(), tracker, flops:
        run.update(1)
    return Memory(
        parameters=_size((*run.model.parameters(), *run.model.buffers())),
        gradients=_size(parameter.grad for parameter in run.model.parameters() if parameter.grad is not None),
        optimizer=_size(_states(run)),
        activations=max(kept),
        peak=tracker.peak(),
    ), int(flops.get_total_flops())


def _states(run: Run) -> Iterator[Tensor]:
    for state in run.optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))
    if run.average is not None:
        yield from run.average.weights.values()


def _size(tensors: Iterable[Tensor]) -> int:
    return sum(local(tensor).numel() * tensor.element_size() for tensor in tensors)


def count_parameters(model: nn.Module) -> dict[str, Any]:
    """Return numbers of parameters: total, trainable, frozen, by_part; a shared parameter counts once.

    A parameter's part is the first word of its name, or what the model's `part_of(name)` returns.
    """
    part_of = getattr(model, "part_of", None) or (lambda name: name.partition(".")[0])
    by_part: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        by_part[part_of(name)] = by_part.get(part_of(name), 0) + parameter.numel()
    total = sum(by_part.values())
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return {"total": total, "trainable": trainable, "frozen": total - trainable, "by_part": by_part}


def _shard_that_fits(
    config: RunConfig, world_size: int, datasets: Sequence[str], memory: Memory, limit: int
) -> int | None:
    """Return the smallest `parallel.shard` with which a step fits; None if there is none.

    State divides among the ranks of a shard and the rest stays; each shard that should fit by this rule is tried.
    """
    data_ranks = world_size // config.parallel.tensor
    shard = data_ranks if config.parallel.shard == -1 else config.parallel.shard
    state = memory.parameters + memory.gradients + memory.optimizer
    for larger in range(shard + 1, data_ranks + 1):
        if data_ranks % larger or memory.peak - state + state * shard // larger > limit:
            continue
        changed = replace(config, parallel=replace(config.parallel, shard=larger))
        if cost(changed, world_size, datasets)[1].peak <= limit:
            return larger
    return None


@contextlib.contextmanager
def _ranks(count: int) -> Iterator[None]:
    """Be rank 0 of so many while the block runs."""
    if count == 1:
        yield
        return
    dist.init_process_group("fake", rank=0, world_size=count, store=FakeStore())
    try:
        yield
    finally:
        dist.destroy_process_group()


def _on_meta(config: RunConfig) -> nn.Module:
    with torch.device("meta"):
        return registry.build_model(config)


def _with_fake_weights(model: nn.Module, mode: FakeTensorMode) -> nn.Module:
    """Replace a model's weights on the meta device by fake ones of the CPU; shared weights stay shared."""
    fakes: dict[Tensor, Tensor] = {}
    for module in model.modules():
        for table in (module._parameters, module._buffers):
            for name, value in table.items():
                if value is not None:
                    fakes[value] = fakes[value] if value in fakes else _fake(value, mode)
                    table[name] = fakes[value]  # type: ignore[assignment]
    return model


def _fake(value: Tensor, mode: FakeTensorMode) -> Tensor:
    with mode:
        fake = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype)
    return nn.Parameter(fake, requires_grad=value.requires_grad) if isinstance(value, nn.Parameter) else fake


class _RealStaysReal(TorchDispatchMode):
    """Runs an operation whose tensors are all real, such as those of the batch, for real."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        real = tensors and all(type(tensor) in (Tensor, nn.Parameter) for tensor in tensors)
        with unset_fake_temporarily() if real else contextlib.nullcontext():
            return func(*args, **(kwargs or {}))


class _RealBatches:
    """An objective that prepares and counts real batches, and calls `on_loss` before each loss is back-propagated."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self.on_loss: Callable[[], None] = lambda: None

    def prepare(self, batch: Any) -> Any:
        with unset_fake_temporarily():
            return self._objective.prepare(batch)

    def counts(self, batch: Any) -> Mapping[str, float | Tensor]:
        with unset_fake_temporarily():
            return {name: float(count) for name, count in self._objective.counts(batch).items()}

    def losses(self, model: nn.Module, batch: Any, totals: Mapping[str, float], context: StepContext) -> Iterator[Loss]:
        for loss in self._objective.losses(model, batch, totals, context):
            self.on_loss()
            yield loss


class _Examples:
    """A stream of real example batches."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __next__(self) -> Any:
        with unset_fake_temporarily():
            return self._make()

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to close."""


class _Tracker(MemTracker):
    """torch's memory tracker without its statistics per module, which refuse frozen weights and a second forward pass."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.track_external(run.model, run.optimizer, *_states(run))
        self._highest = self.held()

    def held(self) -> int:
        """Bytes that are held now."""
        return sum(snapshot["Total"] for snapshot in self._curr_mem_snap.values())

    def peak(self) -> int:
        """Largest number of bytes held."""
        return self._highest

    def _update_peak_stats(self, peak_state: Any) -> None:
        # Recomputed activations are in reference cycles, through the exceptions that end a recomputation: they are
        # freed at once over real tensors, but over fake ones only by the collector.
        if self.held() > self._highest and self._mod_tracker.is_bw:
            gc.collect()
        self._highest = max(self._highest, self.held())

    def _pre_fw_hook(self, module: nn.Module, inputs: Any) -> None: ...
    def _post_fw_hook(self, module: nn.Module, inputs: Any, outputs: Any) -> None: ...
    def _pre_bw_hook(self, module: nn.Module, args: Any) -> None: ...
    def _post_bw_hook(self, module: nn.Module, args: Any) -> None: ...


@contextlib.contextmanager
def _swept() -> Iterator[None]:
    """Leave all present objects out of collections while the block runs, so that these are fast."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward_flops(grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_backward_flop_count(grad, query, key, value)


_CPU_ATTENTION: dict[Any, Any] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward_flops,
}
"""The CPU's attention operators, whose FLOPs torch does not count."""
