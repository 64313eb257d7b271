"""The state of a run, and one step of it.

One step: read batches, count what they hold over all ranks, back-propagate each loss as soon as it is yielded (so that
only one graph is in memory), clip the gradients once, update the weights once.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from corpusloom.schemas.errors import LoomError
from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.batches import Stream, next_batch, sample_keys, to_device, usable_rows
from corpusloom.trainers.training.config import ParallelConfig, TrainConfig
from corpusloom.trainers.training.numerics import autocast
from corpusloom.trainers.training.observe.flops import peak_flops, utilisation
from corpusloom.trainers.training.observe.guard import Guard, NormStatistics, SkippedStep
from corpusloom.trainers.training.observe.meters import Meter, Stopwatch, peak_memory
from corpusloom.trainers.training.observe.reports import StepReport
from corpusloom.trainers.training.optimizer import (
    MovingAverage,
    freeze,
    frozen_modules,
    learning_rate,
    make_optimizer,
    set_learning_rate,
    trainable,
)
from corpusloom.trainers.training.parallel import (
    broadcast_state,
    clip_gradients,
    fill_from_rank_0,
    is_divided,
    parallelize,
)
from corpusloom.trainers.training.task import Evaluate, Objective, StepContext, Sum, TrainingTask

GUARD = "__guard__"
"""Name of the guard's state beside that of the stream, in a checkpoint."""


def divide(task: TrainingTask, config: TrainConfig, parallel: ParallelConfig, device: torch.device) -> nn.Module:
    """Return the model of which each rank holds a part, with the weights of rank 0."""
    with torch.device("meta"):
        model = task.skeleton()
    freeze(model, config.groups)
    parallelize(model, parallel, precision=config.precision).to_empty(device=device)
    fill_from_rank_0(model, task.model)
    return model


def replicate(task: TrainingTask, config: TrainConfig, parallel: ParallelConfig) -> nn.Module:
    """Return the model that each rank holds whole, with the weights of rank 0."""
    freeze(task.model, config.groups)
    broadcast_state(task.model)
    return parallelize(task.model, parallel, precision=config.precision)


def prepare_run(
    task: TrainingTask,
    config: TrainConfig,
    parallel: ParallelConfig,
    device: torch.device,
    *,
    on_part: Callable[[int, str], None] = lambda _, __: None,
) -> "Run":
    """Freeze, divide the model among the ranks as configured, and make its optimiser and average."""
    model = divide(task, config, parallel, device) if is_divided() else replicate(task, config, parallel)
    run = run_over(model, task, config, device)
    run.guard, run.on_part = Guard(config), on_part
    run.peak_flops = None if parallel.compile else peak_flops(device, config.precision, config.peak_tflops)
    return run


def run_over(model: nn.Module, task: TrainingTask, config: TrainConfig, device: torch.device) -> "Run":
    """Return the run of a task on a model that is divided already; its guard is not active."""
    return Run(
        model=model,
        objective=task.objective,
        stream=task.stream,
        example=task.example,
        config=config,
        optimizer=make_optimizer(model, config),
        average=None if config.ema is None else MovingAverage(model, config.ema),
        device=device,
        frozen=frozen_modules(model),
        guard=Guard(config, active=False),
        norms=NormStatistics(model),
        stopwatch=Stopwatch(device),
        cycle=getattr(task.stream, "cycle", 1),
    )


@dataclass(slots=True, kw_only=True)
class Run:
    """The state of one run; `update` does one step."""

    model: nn.Module
    objective: Objective
    stream: Stream
    example: Callable[[], Any]
    config: TrainConfig
    optimizer: torch.optim.Optimizer
    average: MovingAverage | None
    device: torch.device
    frozen: list[nn.Module]
    guard: Guard
    norms: NormStatistics
    stopwatch: Stopwatch
    on_part: Callable[[int, str], None] = lambda _, __: None
    peak_flops: float | None = None
    """Peak FLOP per second of this rank's device; None if it is not known."""
    cycle: int = 1
    """Steps whose batches differ in kind and repeat, as in a round robin of datasets."""
    counted_flops: list[int] = field(default_factory=list)
    """FLOPs of this rank in each of the first steps, at most `cycle`."""
    meter: Meter = field(default_factory=Meter)
    samples: int = 0
    """Usable samples of this rank since the last report."""
    skipped: int = 0
    """Samples of this rank since the last report that could not be used."""
    steps: int = 0
    """Steps since the last report."""
    skipped_steps: int = 0
    """Steps since the last report whose update was left out."""

    @property
    def averages(self) -> dict[str, Tensor] | None:
        """Moving averages of the weights by name, if they are kept."""
        return None if self.average is None else self.average.weights

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the stream and of the guard, for a checkpoint."""
        return {**self.stream.state_dict(), GUARD: self.guard.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue at a state."""
        self.stream.load_state_dict({name: value for name, value in state.items() if name != GUARD})
        if GUARD in state:
            self.guard.load_state_dict(state[GUARD])

    @contextlib.contextmanager
    def _part(self, step: int, name: str) -> Iterator[None]:
        self.on_part(step + 1, name)
        with self.stopwatch.part(name):
            yield

    @property
    def flops_per_step(self) -> float | None:
        """FLOPs of this rank per step, recomputed activations included; None before the first step is counted."""
        return sum(self.counted_flops) / len(self.counted_flops) if self.counted_flops else None

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """Count the FLOPs of the block if the MFU needs them and they are not known; compiled code is not counted."""
        if self.peak_flops is None or len(self.counted_flops) == self.cycle:
            yield
            return
        with FlopCounterMode(display=False) as counter:
            yield
        self.counted_flops.append(counter.get_total_flops())

    def update(self, step: int) -> SkippedStep | None:
        """Do one step: batches, losses, one clipping, one update; return the reason if the update is left out."""
        seed_step(self.config.rng_seed, step)
        with self._part(step, "data"):
            batches = [self._read(step) for _ in range(self.config.accumulate)]
        with self._part(step, "compute"), self._counted():
            self._set_training_mode()
            self.norms.keep()
            self.optimizer.zero_grad(set_to_none=True)
            batches = [self.objective.prepare(batch) for batch in batches]
            totals = add_counts([self.objective.counts(batch) for batch in batches])
            context = StepContext(step=step, config=self.config, device=self.device)
            loss, metrics = self._backward(batches, totals, context)
        with self._part(step, "update"):
            norm = clip_gradients((parameter for _, parameter in trainable(self.model)), self.config.grad_clip)
            skipped = self.guard.judge(step, loss, norm.to(loss.device), batches)
            if skipped is not None:
                skipped = replace(skipped, causes=self._causes(batches))
                self.norms.restore()
                self.skipped_steps += 1
            else:
                self.meter.add({"loss": (loss, 1 / distributed.data_ranks()), "grad_norm": (norm, 1)})
                for measured in metrics:
                    self.meter.add(measured)
                if any(totals.values()) or not totals:
                    self._step(step)
        self.steps += 1
        return skipped

    def _read(self, step: int) -> Any:
        """Return the next batch's usable rows, on the run's device."""
        batch = next_batch(self.stream, step)
        usable = usable_rows(batch, self.example)
        rows, count = len(sample_keys(batch)), len(sample_keys(usable))
        self.samples += count
        self.skipped += rows - count
        return to_device(usable, self.device)

    def _set_training_mode(self) -> None:
        self.model.train()
        for module in self.frozen:
            module.eval()

    def _backward(
        self, batches: list[Any], totals: Mapping[str, float], context: StepContext
    ) -> tuple[Tensor, list[Mapping[str, Sum]]]:
        """Back-propagate all losses of a step; return their sum over this rank, (), and their measurements."""
        metrics = []
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for batch in batches:
            losses = self.objective.losses(self.model, batch, totals, context)
            while True:
                with autocast(self.config.precision, self.device):
                    loss = next(losses, None)
                if loss is None:
                    break
                loss.value.backward()
                if not loss.surrogate:
                    total += loss.value.detach()
                metrics.append(loss.metrics)
        if not metrics:
            raise LoomError(f"the objective yielded no loss at step {context.step}")
        return total, metrics

    def _causes(self, batches: list[Any]) -> tuple[str, ...]:
        """Return what the objectives of all ranks find in a skipped step's batches; every rank calls this."""
        find = getattr(self.objective, "causes", None)
        if find is None:
            return ()
        own = tuple(cause for batch in batches for cause in find(self.model, batch))
        return tuple(cause for causes in collectives.gather_objects(own) for cause in causes)

    def _step(self, step: int) -> None:
        set_learning_rate(self.optimizer, learning_rate(step, self.config))
        self.optimizer.step()
        after_step = getattr(self.model, "after_step", None)
        if after_step:
            after_step()
        if self.average is not None:
            self.average.update(self.model)

    def report(self, done: int) -> StepReport:
        """Return the means since the last report; every rank calls this."""
        means = self.meter.read()
        seconds, parts = self.stopwatch.read()
        found = collectives.totals({"samples": self.samples, "skipped": self.skipped})
        samples, skipped = round(found["samples"]), round(found["skipped"])
        kind, memory = peak_memory(self.device)
        memory = int(collectives.gather_world(torch.tensor(memory)).max())
        steps, skipped_steps = self.steps, self.skipped_steps
        self.samples = self.skipped = self.steps = self.skipped_steps = 0
        return StepReport(
            step=done,
            steps=self.config.steps,
            loss=means.pop("loss", math.nan),
            grad_norm=means.pop("grad_norm", math.nan),
            lr=learning_rate(done - 1, self.config),
            samples=samples,
            skipped=skipped,
            skipped_steps=skipped_steps,
            samples_per_second=samples / seconds,
            seconds={name: value / steps for name, value in parts.items()},
            metrics=means,
            wait=parts["data"] / seconds,
            memory=memory,
            memory_kind=kind,
            mfu=utilisation(self.flops_per_step, self.peak_flops, seconds / steps),
        )

    def evaluate(self, evaluate: Evaluate) -> dict[str, float]:
        """Return the figures of an evaluation of the averaged weights, if there is an average, else of the weights."""
        self.model.eval()
        weights = contextlib.nullcontext() if self.average is None else self.average.applied(self.model)
        with weights, torch.no_grad():
            return dict(evaluate(self.model))


def add_counts(counts: list[Mapping[str, float | Tensor]]) -> dict[str, float]:
    """Return the counts of a step's batches summed over batches and data ranks."""
    own = {name: sum(float(count[name]) for count in counts) for name in counts[0]}
    return collectives.totals(own)


def seed_step(rng_seed: int, step: int) -> None:
    """Seed torch's generators from (seed, step, data rank), so that a resumed run draws the same values."""
    torch.manual_seed(((rng_seed * 1_000_003 + step) * 65_537 + distributed.data_rank()) % (1 << 63))
