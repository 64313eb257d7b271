"""The training loop of all families, resumable at the exact sample.

An objective yields losses; each is back-propagated as soon as it is yielded, so that only one graph is in memory and
a weighted sum over data sets is gradient accumulation. Each step ends with one clipping and one update.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from corpusloom.schemas.errors import InputError, LoomError
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.checkpoint import Checkpointer
from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.interrupts import held_interrupts
from corpusloom.trainers.training.observe import Meter, StepReport, Stopwatch
from corpusloom.trainers.training.optimizer import learning_rate, make_optimizer, set_learning_rate, trainable
from corpusloom.trainers.training.skipped import SkippedSamples, skipped_samples


class Stream(Protocol):
    """An endless iterator over batches whose state can be saved and loaded."""

    def __next__(self) -> Any: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class StepContext:
    """The step of an objective; torch's global generator is seeded for it already."""

    step: int
    """Number of the step, from 0."""
    config: TrainConfig
    device: torch.device


@dataclass(frozen=True, slots=True)
class Loss:
    """One weighted scalar to back-propagate, and measurements to report (name -> scalar; NaN: not measured).

    The gradients are averaged over ranks, which may have different numbers of usable samples; see
    `distributed.row_weight`.
    """

    value: Tensor
    metrics: Mapping[str, float | Tensor] = field(default_factory=dict)
    surrogate: bool = False
    """Whether the loss is back-propagated only, and left out of the loss that is reported."""


def no_loss(metrics: Iterable[str], device: torch.device) -> Loss:
    """Return the loss of a batch without a usable sample: 0, without gradients, and no value for each measurement."""
    return Loss(torch.zeros((), device=device), dict.fromkeys(metrics, math.nan))


Objective = Callable[[nn.Module, Any, StepContext], Iterator[Loss]]
Evaluate = Callable[[nn.Module], Iterable[tuple[str, float]]]


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
    model: nn.Module,
    objective: Objective,
    stream: Stream,
    config: TrainConfig,
    *,
    checkpoint: Checkpointer | None = None,
    evaluate: Evaluate | None = None,
    on_step: Callable[[StepReport], None] | None = None,
    on_update: Callable[[int], None] | None = None,
) -> TrainResult:
    """Train until `config.steps`, from the latest checkpoint if there is one.

    The model stays on its device. Every rank calls this with its own stream. `on_step` is called on rank 0 every
    `log_every` steps, before each checkpoint and after the last step; `on_update` gets the number of each step that is
    done. A model may have a method `after_step()`, called after each update. Raises LoomError for a loss that is not
    finite, before a checkpoint is written. Ctrl-C ends a run of one rank after the current step, with a checkpoint.
    """
    began = time.perf_counter()
    distributed.broadcast_model(model)
    optimizer = make_optimizer(model, config)
    start = checkpoint.restore(model, optimizer, stream) if checkpoint else 0
    if not distributed.same_on_all_ranks(start):
        raise LoomError("ranks found different checkpoints", remedy="--out must be a folder that all ranks see")
    run = _Run(model, objective, stream, config, optimizer, next(model.parameters()).device)
    evaluation: dict[str, float] = {}
    report, saved = None, checkpoint.latest() if checkpoint else None
    alone = checkpoint is not None and distributed.world_size() == 1
    with _settings(config, run.device), held_interrupts(alone) as interrupted, checkpoint or contextlib.nullcontext():
        if config.compile:
            model.compile()
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
                saved = checkpoint.save(done, model, optimizer, stream, wait=interrupted())
            if interrupted():
                raise KeyboardInterrupt
            if evaluate is not None and config.evaluate_every and done % config.evaluate_every == 0 and not last:
                evaluation = _evaluate(model, evaluate)
        if evaluate is not None:
            evaluation = _evaluate(model, evaluate)
    return TrainResult(
        steps=config.steps,
        resumed_at=start,
        report=report,
        seconds=time.perf_counter() - began,
        evaluation=evaluation,
        checkpoint=saved,
        skipped=skipped_samples(stream),
    )


@dataclass(slots=True)
class _Run:
    """The state of one run; `update` does one step."""

    model: nn.Module
    objective: Objective
    stream: Stream
    config: TrainConfig
    optimizer: torch.optim.Optimizer
    device: torch.device
    meter: Meter = field(default_factory=Meter)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    samples: int = 0
    """Usable samples of this rank since the last report."""
    skipped: int = 0
    """Samples of this rank since the last report that could not be used."""
    steps: int = 0
    """Steps since the last report."""

    def update(self, step: int) -> None:
        seed_step(self.config.rng_seed, step)
        with self.stopwatch.part("data"):
            batch = _next_batch(self.stream, step)
            rows, usable = count_samples(batch), usable_rows(batch)
            self.samples += (count := count_samples(usable))
            self.skipped += rows - count
            batch = to_device(usable, self.device)
        with self.stopwatch.part("compute"):
            self.model.train()
            self.optimizer.zero_grad(set_to_none=True)
            self._backward(batch, StepContext(step=step, config=self.config, device=self.device))
        with self.stopwatch.part("update"):
            parameters = [parameter for _, parameter in trainable(self.model)]
            distributed.average_gradients(parameters)
            self.meter.add({"grad_norm": clip_gradients(parameters, self.config.grad_clip)})
            set_learning_rate(self.optimizer, learning_rate(step, self.config))
            self.optimizer.step()
            after_step = getattr(self.model, "after_step", None)
            if after_step:
                after_step()
        self.steps += 1

    def _backward(self, batch: Any, context: StepContext) -> None:
        total: Tensor | None = None
        losses = self.objective(self.model, batch, context)
        while True:
            with autocast(self.config.precision, self.device):
                loss = next(losses, None)
            if loss is None:
                break
            if loss.value.requires_grad:
                loss.value.backward()
            if not loss.surrogate:
                total = loss.value.detach() if total is None else total + loss.value.detach()
            self.meter.add(loss.metrics, nan_counts=False)
        if total is None:
            raise LoomError(f"the objective yielded no loss at step {context.step}")
        self.meter.add({"loss": total})

    def report(self, done: int) -> StepReport:
        means = self.meter.read()
        seconds, parts = self.stopwatch.read()
        loss, grad_norm = means.pop("loss"), means.pop("grad_norm")
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            raise LoomError(
                f"loss is {loss}, gradient norm {grad_norm}, in the steps up to {done}",
                remedy="lower train.lr, set train.grad_clip, or inspect the batches; the last checkpoint is good",
            )
        counts = torch.tensor([self.samples, self.skipped], dtype=torch.float64, device=self.device)
        samples, skipped = (distributed.mean_over_ranks(counts) * distributed.world_size()).round().int().tolist()
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


def seed_step(rng_seed: int, step: int) -> None:
    """Seed torch's generators from (seed, step, rank), so that a resumed run draws the same values in each step."""
    torch.manual_seed(((rng_seed * 1_000_003 + step) * 65_537 + distributed.rank()) % (1 << 63))


def clip_gradients(parameters: list[nn.Parameter], limit: float | None) -> Tensor:
    """Scale gradients down to a total norm of `limit` (None: no clipping); return the norm before it, ()."""
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(grads)
    if limit is not None:
        torch.nn.utils.clip_grads_with_norm_(parameters, limit, norm)
    return norm


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which forward passes run: bf16 autocast, or nothing for fp32."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def to_device(batch: Any, device: torch.device) -> Any:
    """Move the tensors in nested tuples, lists, mappings and dataclasses; other values stay as they are."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {name: to_device(value, device) for name, value in batch.items()}
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        changes = {item.name: to_device(getattr(batch, item.name), device) for item in dataclasses.fields(batch)}
        return dataclasses.replace(batch, **changes)
    if type(batch) in (list, tuple):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


def usable_rows(batch: Any) -> Any:
    """Return a batch without the rows whose "valid" is False; of a mapping of batches, each without its own."""
    if not isinstance(batch, Mapping):
        return batch
    valid = batch.get("valid")
    if valid is None:
        return {name: usable_rows(value) for name, value in batch.items()}
    if bool(valid.all()):
        return batch
    kept = valid.nonzero()[:, 0].tolist()
    return {
        name: value[valid] if isinstance(value, Tensor) else [value[row] for row in kept]
        for name, value in batch.items()
    }


def count_samples(batch: Any) -> int:
    """Return the number of a batch's "keys"; for a mapping of batches, the sum."""
    if not isinstance(batch, Mapping):
        return 0
    if "keys" in batch:
        return len(batch["keys"])
    return sum(count_samples(value) for value in batch.values())


def _next_batch(stream: Stream, step: int) -> Any:
    try:
        return next(stream)
    except StopIteration:
        raise InputError(f"the stream ended before step {step}", remedy="is the dataset empty?") from None


def _evaluate(model: nn.Module, evaluate: Evaluate) -> dict[str, float]:
    model.eval()
    with torch.no_grad():
        return dict(evaluate(model))


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
