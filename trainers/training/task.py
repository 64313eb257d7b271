"""The interface between the training loop and a family of models: one run's model, objective, stream and evaluation."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from corpusloom.trainers.training.batches import Stream
from corpusloom.trainers.training.config import RunConfig, TrainConfig
from corpusloom.trainers.training.hub.folders import Folder

Evaluate = Callable[[nn.Module], Iterable[tuple[str, float]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class StepContext:
    """The step that a loss is computed for; torch's global generator is seeded for it already."""

    step: int
    """Number of the step, from 0."""
    config: TrainConfig
    device: torch.device


Sum = tuple[float | Tensor, float | Tensor]
"""The sum of some measured values, and their number."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One scalar to back-propagate, and measurements to report."""

    value: Tensor
    """This batch's share of the step's loss: the loss of a step is the sum over its batches and all data ranks."""
    metrics: Mapping[str, Sum] = field(default_factory=dict)
    """Name -> sum and number of this batch's values; their mean over batches and ranks is reported."""
    surrogate: bool = False
    """Whether the loss is back-propagated only, and left out of the loss that is reported."""


class Objective(Protocol):
    """The losses of one family. Only the first rows of a batch, one per key, count; a rank may have none."""

    def prepare(self, batch: Any) -> Any:
        """Return the batch with what its losses need from other ranks, such as negatives; all ranks call this."""

    def counts(self, batch: Any) -> Mapping[str, float | Tensor]:
        """Return name -> number of this batch's items; sums of losses are divided by its total over the step."""

    def losses(self, model: nn.Module, batch: Any, totals: Mapping[str, float], context: StepContext) -> Iterator[Loss]:
        """Yield the losses of a batch, each a sum over its own items divided by a total over the whole step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingTask:
    """Model, objective, stream and evaluation of one run."""

    model: nn.Module
    """Model with its initial weights; on the meta device on ranks that get their part of the weights from rank 0."""
    skeleton: Callable[[], nn.Module]
    """Returns the same model without its weights, under the meta device."""
    objective: Objective
    stream: Stream
    example: Callable[[], Any]
    """Returns a batch of one row of zeros, in the shapes and types of the stream's batches."""
    evaluate: Evaluate | None = None
    figures: tuple[str, ...] = ()
    """Names of the figures that `evaluate` yields."""
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    """Name -> content of small files without which the model cannot be used; every checkpoint contains them."""
    notes: tuple[str, ...] = ()
    """Notes for the user before the first step, such as a vocabulary that was learnt."""


def learnt_note(ids: int, key: str) -> str:
    """Return the note of a run that learns its vocabulary itself."""
    return f"a vocabulary of {ids:,} ids is learnt from the captions; {key} takes a file that loom tokenizer wrote"


def overlap_note(split: str | None, evaluate: str | None) -> tuple[str, ...]:
    """Return the note of a run that is evaluated on samples on which it also trains, if it is one."""
    if evaluate is None or split not in (None, evaluate):
        return ()
    return (f"evaluations measure samples that are trained on: data.split does not leave out {evaluate!r}",)


class FamilyConfiguration(Protocol):
    """The module `trainers/<family>/config.py` of a family."""

    def tables_of(self, config: RunConfig) -> dict[str, object]:
        """Return the family's own tables of a configuration by name; a wrong key is a ConfigError."""


class FamilyModule(Protocol):
    """The module `trainers/<family>/task.py` of a family."""

    def complete(self, config: RunConfig, typed: Collection[str] | None = None, begun: str | None = None) -> RunConfig:
        """Return the configuration with the shape of the pretrained weights that it names.

        `begun` is the newest checkpoint of the run, which a family may read instead of weights that are gone.
        """

    def read_model(self, folder: Folder) -> tuple[nn.Module, dict[str, bytes]]:
        """Return the model in a folder of transformers or open_clip, and the attachments for its checkpoints."""

    def export(self, model: nn.Module, attachments: Mapping[str, bytes], layout: str, out: str) -> None:
        """Write a checkpoint's model into a new folder; ConfigError if the layout has no such model."""

    def build_model(self, config: RunConfig) -> nn.Module:
        """Return the model with fresh weights; it needs no data, and works on the meta device."""

    def build_objective(self, config: RunConfig, datasets: Iterable[str]) -> Objective:
        """Return the objective of a run over datasets of these names."""

    def example_batch(self, config: RunConfig, rows: int, datasets: Iterable[str]) -> Any:
        """Return a batch of zeros as the stream of a run over these datasets gives it, on torch's default device."""

    def build_task(
        self, config: RunConfig, datasets: Mapping[str, tuple[str, float]], begun: str | None = None
    ) -> TrainingTask:
        """Return the task of a run over datasets: name -> (path, share of samples); `begun` as in `complete`."""

    def load_evaluated(self, path: str, *assignments: str) -> tuple[nn.Module, Any]:
        """Return the model at a path, and the second argument of the family's evaluations, such as a tokenizer.

        A family with frozen parts takes KEY=PATH of those that moved.
        """
