"""What a run tells while it trains: its start, a report every `train.log_every` steps, evaluations, checkpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class RunStart:
    """A run before its first step."""

    name: str
    """Name of the configuration."""
    device: str
    """Device of rank 0, such as "cuda:0, NVIDIA H200" or "cpu, 2 threads"."""
    ranks: int
    plan: str
    """How the model is divided: replicate 2 x shard 4 x tensor 1."""
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
        sizes = ", ".join(f"{name} {count:,} samples" for name, count in self.datasets.items())
        begins = f"resumes at step {self.resumed_at:,} of {self.steps:,}" if self.resumed_at else f"{self.steps:,} steps"
        ranks = f"{self.ranks} ranks ({self.plan})" if self.ranks > 1 else "1 rank"
        return (
            f"{self.name} on {self.device}, {ranks}, {self.precision}: {self.parameters:,} parameters, "
            f"{self.trained:,} trained; {sizes}; {self.samples_per_step:,} samples per step; {begins}"
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
    """Gets what a run tells, on rank 0. A class that inherits from it has methods that do nothing."""

    def start(self, start: RunStart) -> None:
        """The run begins, or resumes."""

    def report(self, report: StepReport) -> None:
        """Some steps are done."""

    def evaluation(self, step: int, figures: Mapping[str, float]) -> None:
        """The model was evaluated after `step` updates."""

    def saved(self, step: int, path: str) -> None:
        """A checkpoint is being written."""

    def note(self, text: str) -> None:
        """Something happened that a user should know, although the run goes on."""

    def close(self) -> None:
        """The run has ended, with or without an error."""


@dataclass(frozen=True, slots=True)
class Observers(Observer):
    """Several observers as one."""

    each: Sequence[Observer] = field(default_factory=tuple)

    def start(self, start: RunStart) -> None:
        """Tell each."""
        for observer in self.each:
            observer.start(start)

    def report(self, report: StepReport) -> None:
        """Tell each."""
        for observer in self.each:
            observer.report(report)

    def evaluation(self, step: int, figures: Mapping[str, float]) -> None:
        """Tell each."""
        for observer in self.each:
            observer.evaluation(step, figures)

    def saved(self, step: int, path: str) -> None:
        """Tell each."""
        for observer in self.each:
            observer.saved(step, path)

    def note(self, text: str) -> None:
        """Tell each."""
        for observer in self.each:
            observer.note(text)

    def close(self) -> None:
        """Tell each."""
        for observer in self.each:
            observer.close()
