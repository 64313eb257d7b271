"""Events of a run for observers: its start, a report every `train.log_every` steps, evaluations, checkpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.config import TrainConfig

WAYS = ("replicated", "sharded", "split")
"""Words for the dimensions of the mesh."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunStart:
    """A run before its first step."""

    name: str
    """Name of the configuration."""
    device: str
    """Device of rank 0, such as "cuda:0, NVIDIA H200" or "cpu, 2 threads"."""
    ranks: int
    plan: str
    """Division of the model among ranks, such as 2 replicated x 4 sharded x 1 split; empty on one rank."""
    precision: str
    parameters: int
    """Parameters of the whole model."""
    trained: int
    """Parameters that are not frozen."""
    datasets: Mapping[str, int]
    """Dataset -> samples per epoch."""
    samples_per_step: int
    """Samples of all ranks and batches per step; of datasets that are trained jointly, the sum."""
    steps: int
    """Steps of the whole run."""
    resumed_at: int
    """Steps that an earlier run has done."""

    def __str__(self) -> str:
        """Return the start in one line."""
        sizes = ", ".join(f"{name} {count:,} samples" for name, count in self.datasets.items()) or "no dataset"
        resumes = f"resumes at step {self.resumed_at:,} of " if self.resumed_at else ""
        ranks = f"{self.ranks} ranks ({self.plan})" if self.ranks > 1 else "1 rank"
        return (
            f"{self.name} on {self.device}, {ranks}, {self.precision}: {self.parameters:,} parameters, "
            f"{self.trained:,} trained; {sizes}; {self.samples_per_step:,} samples per step; "
            f"{resumes}{self.steps:,} steps"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """Training after `step` updates; means are over the ranks, and over the steps since the last report."""

    step: int
    steps: int
    """Steps of the whole run."""
    loss: float
    """Mean over the steps that were not skipped; NaN if all were."""
    grad_norm: float
    """Norm of the gradient before clipping, as `loss`."""
    lr: float
    samples: int
    """Usable samples of all ranks since the last report."""
    skipped: int = 0
    """Samples of all ranks since the last report that could not be used."""
    skipped_steps: int = 0
    """Steps since the last report whose update was left out (`train.max_skipped_steps`)."""
    samples_per_second: float
    """Samples of all ranks per second since the last report."""
    seconds: dict[str, float]
    """Seconds per step by part: data, compute (forward and backward), update; on CUDA as the device sees them."""
    metrics: dict[str, float]
    """Means of the objective's measurements."""
    wait: float = 0.0
    """Share of the time that rank 0's device waited for data."""
    memory: int = 0
    """Peak bytes since the last report, of the rank that has the most."""
    memory_kind: str = "rss"
    """allocated: torch's allocations on the device. rss: resident memory of the process, since it began."""
    mfu: float | None = None
    """Model FLOPs per second as a share of the device's peak; None if either is unknown."""

    def to_plain(self) -> dict[str, Any]:
        """Return one flat table for a JSON line: seconds as seconds/NAME, metrics under their own names."""
        names = (
            "step", "loss", "grad_norm", "lr", "samples", "skipped", "skipped_steps", "samples_per_second", "wait",
        )  # fmt: skip
        plain: dict[str, Any] = {name: getattr(self, name) for name in names}
        plain[f"memory/{self.memory_kind}"] = self.memory
        if self.mfu is not None:
            plain["mfu"] = self.mfu
        plain |= {f"seconds/{name}": value for name, value in self.seconds.items()}
        return plain | self.metrics

    @property
    def seconds_left(self) -> float:
        """Seconds to the last step at the rate since the last report."""
        return (self.steps - self.step) * sum(self.seconds.values())


class Observer(Protocol):
    """Receives the events of a run, on rank 0. A subclass ignores the events that it has no method for."""

    def start(self, start: RunStart) -> None:
        """The run begins, or resumes."""
        return

    def report(self, report: StepReport) -> None:
        """Some steps are done."""
        return

    def evaluation(self, step: int, figures: Mapping[str, float]) -> None:
        """The model was evaluated after `step` updates."""
        return

    def saved(self, step: int, path: str) -> None:
        """A checkpoint is being written."""
        return

    def note(self, text: str) -> None:
        """Something happened that a user should know, although the run goes on."""
        return

    def close(self) -> None:
        """The run has ended, with or without an error."""
        return


@dataclass(frozen=True, slots=True)
class Observers(Observer):
    """Several observers as one."""

    each: Sequence[Observer] = field(default_factory=tuple)

    def start(self, start: RunStart) -> None:
        """Pass the event to each."""
        for observer in self.each:
            observer.start(start)

    def report(self, report: StepReport) -> None:
        """Pass the event to each."""
        for observer in self.each:
            observer.report(report)

    def evaluation(self, step: int, figures: Mapping[str, float]) -> None:
        """Pass the event to each."""
        for observer in self.each:
            observer.evaluation(step, figures)

    def saved(self, step: int, path: str) -> None:
        """Pass the event to each."""
        for observer in self.each:
            observer.saved(step, path)

    def note(self, text: str) -> None:
        """Pass the event to each."""
        for observer in self.each:
            observer.note(text)

    def close(self) -> None:
        """Pass the event to each."""
        for observer in self.each:
            observer.close()


def describe_start(
    model: nn.Module, stream: Any, config: TrainConfig, *, name: str, device: torch.device, resumed_at: int
) -> RunStart:
    """Return the start of a run of a model over a stream."""
    mesh, parameters = distributed.mesh(), list(model.parameters())
    batches = list(getattr(stream, "streams", {"": stream}).values())
    rows = sum(getattr(getattr(part, "plan", part), "batch_size", 0) for part in batches)
    return RunStart(
        name=name,
        device=_device_words(device, config.threads or torch.get_num_threads()),
        ranks=distributed.world_size(),
        plan="" if mesh is None else " x ".join(f"{size} {way}" for way, size in zip(WAYS, mesh.shape, strict=True)),
        precision=config.precision,
        parameters=sum(parameter.numel() for parameter in parameters),
        trained=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        datasets=dataset_sizes(stream),
        samples_per_step=rows * distributed.data_ranks() * config.accumulate,
        steps=config.steps,
        resumed_at=resumed_at,
    )


def dataset_sizes(stream: Any) -> dict[str, int]:
    """Return the name and samples of each dataset that a run's batches come from."""
    sizes: dict[str, int] = {}
    for part in getattr(stream, "streams", {"": stream}).values():
        sizes.update(getattr(part, "sizes", {}))
        reader = getattr(getattr(part, "stream", None), "reader", None)
        for index in getattr(reader, "indexes", ()):
            sizes[index.path.rstrip("/").rsplit("/", 1)[-1]] = int(index.counts.sum())
    return sizes


def _device_words(device: torch.device, threads: int) -> str:
    if device.type == "cuda":
        return f"{device}, {torch.cuda.get_device_name(device)}"
    return f"{device}, {threads} thread{'s' if threads > 1 else ''}"
