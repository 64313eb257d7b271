"""The training loop of all families, resumable at the exact sample.

One step: read batches, count what they hold over all ranks, back-propagate each loss as soon as it is yielded (so that
only one graph is in memory), clip the gradients once, update the weights once.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from corpusloom.schemas.errors import LoomError
from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.batches import (
    SkippedSamples,
    Stream,
    next_batch,
    sample_keys,
    skipped_samples,
    to_device,
    usable_rows,
)
from corpusloom.trainers.training.checkpoint import Checkpointer
from corpusloom.trainers.training.config import ParallelConfig, TrainConfig
from corpusloom.trainers.training.interrupts import held_interrupts
from corpusloom.trainers.training.observe import Meter, StepReport, Stopwatch
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
from corpusloom.trainers.training.task import Evaluate, Objective, StepContext, TrainingTask


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainResult:
    """Result of a training run."""

    steps: int
    resumed_at: int
    """Step from which the run resumed; 0 for a fresh run."""
    report: StepReport | None
    """Last report; None if no step was left."""
    seconds: float
    evaluation: dict[str, float]
    checkpoint: str | None
    """Folder of the last checkpoint."""
    skipped: SkippedSamples
    """Samples of all ranks that could not be used."""


def train(
    task: TrainingTask,
    config: TrainConfig,
    parallel: ParallelConfig | None = None,
    *,
    device: torch.device | None = None,
    checkpoint: Checkpointer | None = None,
    on_step: Callable[[StepReport], None] | None = None,
    on_update: Callable[[int], None] | None = None,
) -> TrainResult:
    """Train until `config.steps`, from the latest checkpoint if there is one.

    The model is on `device` (by default the CPU), or on the CPU if the ranks divide it. Every rank calls this with its
    own stream. `on_step` is called on rank 0 every
    `log_every` steps, before each checkpoint and after the last step; `on_update` gets the number of each step that is
    done. A model may have a method `after_step()`, called after each update. Raises LoomError for a loss that is not
    finite, before a checkpoint is written. Ctrl-C ends a run of one rank after the current step, with a checkpoint.
    """
    began = time.perf_counter()
    run = prepare_run(task, config, parallel or ParallelConfig(), device or torch.device("cpu"))
    start = checkpoint.restore(run.model, run.optimizer, run.stream, run.averages) if checkpoint else 0
    if not collectives.same_on_all_ranks(start):
        raise LoomError("ranks found different checkpoints", remedy="--out must be a folder that all ranks see")
    evaluation: dict[str, float] = {}
    report, saved = None, checkpoint.latest() if checkpoint else None
    alone = checkpoint is not None and distributed.world_size() == 1
    with _settings(config, run.device), held_interrupts(alone) as interrupted, checkpoint or contextlib.nullcontext():
        for step in range(start, config.steps):
            run.update(step)
            done, last = step + 1, step + 1 == config.steps
            if on_update is not None:
                on_update(done)
            due = checkpoint is not None and (last or done % config.checkpoint_every == 0 or interrupted())
            if last or due or done % config.log_every == 0:
                report = run.report(done)
                if on_step is not None and distributed.rank() == 0:
                    on_step(report)
            if checkpoint is not None and due:
                saved = checkpoint.save(done, run.model, run.optimizer, run.stream, run.averages, wait=interrupted())
            if interrupted():
                raise KeyboardInterrupt
            if task.evaluate and config.evaluate_every and done % config.evaluate_every == 0 and not last:
                evaluation = run.evaluate(task.evaluate)
        if task.evaluate is not None:
            evaluation = run.evaluate(task.evaluate)
    return TrainResult(
        steps=config.steps,
        resumed_at=start,
        report=report,
        seconds=time.perf_counter() - began,
        evaluation=evaluation,
        checkpoint=saved,
        skipped=skipped_samples(run.stream),
    )


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


def prepare_run(task: TrainingTask, config: TrainConfig, parallel: ParallelConfig, device: torch.device) -> "Run":
    """Freeze, divide the model among the ranks as configured, and make its optimiser and average."""
    model = divide(task, config, parallel, device) if is_divided() else replicate(task, config, parallel)
    return run_over(model, task, config, device)


def run_over(model: nn.Module, task: TrainingTask, config: TrainConfig, device: torch.device) -> "Run":
    """Return the run of a task on a model that is divided already, with a new optimiser and average."""
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
    meter: Meter = field(default_factory=Meter)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    samples: int = 0
    """Usable samples of this rank since the last report."""
    skipped: int = 0
    """Samples of this rank since the last report that could not be used."""
    steps: int = 0
    """Steps since the last report."""

    @property
    def averages(self) -> dict[str, Tensor] | None:
        """Averaged weights by name, if there is an average."""
        return None if self.average is None else self.average.weights

    def update(self, step: int) -> None:
        """Do one step: its batches, their losses, one clipping and one update."""
        seed_step(self.config.rng_seed, step)
        with self.stopwatch.part("data"):
            batches = [self._read(step) for _ in range(self.config.accumulate)]
        with self.stopwatch.part("compute"):
            self._set_training_mode()
            self.optimizer.zero_grad(set_to_none=True)
            batches = [self.objective.prepare(batch) for batch in batches]
            totals = add_counts([self.objective.counts(batch) for batch in batches])
            loss = self._backward(batches, totals, StepContext(step=step, config=self.config, device=self.device))
        with self.stopwatch.part("update"):
            norm = clip_gradients((parameter for _, parameter in trainable(self.model)), self.config.grad_clip)
            self.meter.add({"loss": (loss, 1 / distributed.data_ranks()), "grad_norm": (norm, 1)})
            if any(totals.values()) or not totals:
                self._step(step)
        self.steps += 1

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

    def _backward(self, batches: list[Any], totals: Mapping[str, float], context: StepContext) -> Tensor:
        """Back-propagate all losses of a step; return their sum over this rank, ()."""
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        count = 0
        for batch in batches:
            losses = self.objective.losses(self.model, batch, totals, context)
            while True:
                with autocast(self.config.precision, self.device):
                    loss = next(losses, None)
                if loss is None:
                    break
                count += 1
                loss.value.backward()
                if not loss.surrogate:
                    total += loss.value.detach()
                self.meter.add(loss.metrics)
        if not count:
            raise LoomError(f"the objective yielded no loss at step {context.step}")
        return total

    def _step(self, step: int) -> None:
        set_learning_rate(self.optimizer, learning_rate(step, self.config))
        self.optimizer.step()
        after_step = getattr(self.model, "after_step", None)
        if after_step:
            after_step()
        if self.average is not None:
            self.average.update(self.model)

    def report(self, done: int) -> StepReport:
        """Return the means since the last report; LoomError if the loss is not finite."""
        means = self.meter.read()
        seconds, parts = self.stopwatch.read()
        loss, grad_norm = means.pop("loss"), means.pop("grad_norm")
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            raise LoomError(
                f"loss is {loss}, gradient norm {grad_norm}, in the steps up to {done}",
                remedy="lower train.lr, set train.grad_clip, or inspect the batches; the last checkpoint is good",
            )
        found = collectives.totals({"samples": self.samples, "skipped": self.skipped})
        samples, skipped = round(found["samples"]), round(found["skipped"])
        steps, self.samples, self.skipped, self.steps = self.steps, 0, 0, 0
        return StepReport(
            step=done,
            steps=self.config.steps,
            loss=loss,
            grad_norm=grad_norm,
            lr=learning_rate(done - 1, self.config),
            samples=samples,
            skipped=skipped,
            samples_per_second=samples / seconds,
            seconds={name: value / steps for name, value in parts.items()},
            metrics=means,
        )

    def evaluate(self, evaluate: Evaluate) -> dict[str, float]:
        """Return the figures of an evaluation of the averaged weights, if there is an average, else of the weights."""
        self.model.eval()
        weights = contextlib.nullcontext() if self.average is None else self.average.applied(self.model)
        with weights, torch.no_grad():
            return dict(evaluate(self.model))


def add_counts(counts: list[Mapping[str, float | Tensor]]) -> dict[str, float]:
    """Return the counts of a step's batches summed over batches and data ranks, each at least 0."""
    own = {name: sum(float(count[name]) for count in counts) for name in counts[0]}
    return collectives.totals(own)


def seed_step(rng_seed: int, step: int) -> None:
    """Seed torch's generators from (seed, step, data rank), so that a resumed run draws the same values."""
    torch.manual_seed(((rng_seed * 1_000_003 + step) * 65_537 + distributed.data_rank()) % (1 << 63))


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which forward passes run: bf16 autocast, or nothing for fp32."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


@contextlib.contextmanager
def _settings(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Set the number of threads; restore it and torch's random state at the end."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
