"""A training step without memory: fake weights, fake ranks, and a count of the bytes of the real ones.

Two steps of the training loop run over a model of fake tensors, which have shapes and no memory, as rank 0 of torch's
fake process group, whose collectives exchange nothing. torch's memory tracker counts every allocation of the second
step. The batch is real, of zeros, so that numbers which depend on it (rows, masked words) are known.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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

from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.parallel import local
from corpusloom.trainers.training.step import Run, replicate, run_over
from corpusloom.trainers.training.task import FamilyModule, Loss, Objective, StepContext, TrainingTask


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Bytes of one device in a step. The peak is below their sum: activations are freed as gradients are made."""

    parameters: int
    """Its share of weights and buffers, frozen ones included."""
    gradients: int
    """Its share of the gradients."""
    optimizer: int
    """Its share of the optimiser's state, and of the moving average of the weights if there is one."""
    activations: int
    """Tensors that a loss keeps for its backward pass, the batch and gathered weights; of the losses the largest."""
    peak: int
    """Largest number of bytes at one time."""


@contextlib.contextmanager
def fake_run(family: FamilyModule, config: RunConfig, world_size: int, datasets: Sequence[str]) -> Iterator["FakeRun"]:
    """Yield the run of rank 0 of `world_size` ranks, on a model without memory; `datasets` are names."""
    config = replace(config, parallel=replace(config.parallel, compile=False))
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with _ranks(world_size), distributed.mesh_session("cpu", config.parallel), torch.random.fork_rng():
        objective = _RealBatches(family.build_objective(config, datasets))
        task = TrainingTask(
            model=fake_weights(lambda: family.build_model(config), mode),
            skeleton=lambda: family.build_model(config),
            objective=objective,
            stream=_Examples(lambda: family.example_batch(config, config.train.batch_size, datasets)),
            example=lambda: family.example_batch(config, 1, datasets),
        )
        with mode, _RealStaysReal():
            model = replicate(task, config.train, config.parallel)
            yield FakeRun(run_over(model, task, config.train, torch.device("cpu")), objective)


class FakeRun:
    """A run over fake weights."""

    def __init__(self, run: Run, objective: "_RealBatches") -> None:
        self.run, self._objective = run, objective

    def measure(self) -> tuple[Memory, int]:
        """Return the memory of a step, and the FLOPs of one before it, which makes the optimiser's state."""
        run = self.run
        flops = FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION)
        with flops:  # not around the second step: the hooks of the counter keep recomputed activations
            run.update(0)
        run.optimizer.zero_grad(set_to_none=True)
        tracker = _Tracker(run)
        before, kept = tracker.held(), [0]
        self._objective.on_loss = lambda: kept.append(tracker.held() - before)
        with tracker:
            run.update(1)
        parameters = list(run.model.parameters())
        memory = Memory(
            parameters=_bytes((*parameters, *run.model.buffers())),
            gradients=_bytes(parameter.grad for parameter in parameters if parameter.grad is not None),
            optimizer=_bytes(_states(run)),
            activations=max(kept),
            peak=tracker.highest,
        )
        return memory, int(flops.get_total_flops())


def fake_weights(build: Callable[[], nn.Module], mode: FakeTensorMode) -> nn.Module:
    """Return the model that `build` returns, with fake weights on the CPU; shared weights stay shared."""
    with torch.device("meta"):
        model = build()
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


def _states(run: Run) -> Iterator[Tensor]:
    for state in run.optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))
    if run.average is not None:
        yield from run.average.weights.values()


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(local(tensor).numel() * tensor.element_size() for tensor in tensors)


@contextlib.contextmanager
def _ranks(count: int) -> Iterator[None]:
    """Make this process rank 0 of `count` ranks while the block runs."""
    if count == 1:
        yield
        return
    dist.init_process_group("fake", rank=0, world_size=count, store=FakeStore())
    try:
        yield
    finally:
        dist.destroy_process_group()


class _RealStaysReal(TorchDispatchMode):
    """Runs an operation without the fake mode if all of its tensors are real, as those of the batch."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        real = tensors and all(type(tensor) in (Tensor, nn.Parameter) for tensor in tensors)
        with unset_fake_temporarily() if real else contextlib.nullcontext():
            return func(*args, **(kwargs or {}))


class _RealBatches:
    """An objective that prepares and counts real batches, and calls `on_loss` before a loss is back-propagated."""

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
    """An endless stream of real example batches."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __next__(self) -> Any:
        with unset_fake_temporarily():
            return self._make()

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


class _Tracker(MemTracker):
    """torch's memory tracker without its figures per module, which refuse frozen weights and a second forward pass."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.track_external(run.model, run.optimizer, *_states(run))
        self.highest = self.held()
        """Largest number of bytes held so far."""

    def held(self) -> int:
        """Return the number of bytes that are held now."""
        return sum(snapshot["Total"] for snapshot in self._curr_mem_snap.values())

    def _update_peak_stats(self, peak_state: Any) -> None:
        self.highest = max(self.highest, self.held())

    def _pre_fw_hook(self, module: nn.Module, inputs: Any) -> None: ...
    def _post_fw_hook(self, module: nn.Module, inputs: Any, outputs: Any) -> None: ...
    def _pre_bw_hook(self, module: nn.Module, args: Any) -> None: ...
    def _post_bw_hook(self, module: nn.Module, args: Any) -> None: ...


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def _attention_backward_flops(grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(grad, query, key, value))


_CPU_ATTENTION: dict[Any, Any] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward_flops,
}
"""The CPU's attention operators, whose FLOPs torch does not count by itself."""
