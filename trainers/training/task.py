"""The interface between the training loop and a family of models: one run's model, objective, stream and evaluation."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import nn

from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.loop import Evaluate, Objective, Stream


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingTask:
    """Model, objective, stream and evaluation of one run."""

    model: nn.Module
    objective: Objective
    stream: Stream
    evaluate: Evaluate | None = None
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    """Name -> content of small files without which the model cannot be used; every checkpoint contains them."""


class FamilyConfiguration(Protocol):
    """The module `trainers/<family>/config.py` of a family."""

    def tables_of(self, config: RunConfig) -> dict[str, object]:
        """Return the family's own tables of a configuration by name; a wrong key is a ConfigError."""


class FamilyModule(Protocol):
    """The module `trainers/<family>/task.py` of a family."""

    def complete(self, config: RunConfig, typed: Collection[str] | None = None) -> RunConfig:
        """Return the configuration with the shape of the pretrained weights that it names, which is not typed."""

    def build_model(self, config: RunConfig) -> nn.Module:
        """Return the model with fresh weights; it needs no data, and works on the meta device."""

    def build_task(self, config: RunConfig, datasets: Mapping[str, tuple[str, float]]) -> TrainingTask:
        """Return the task of a run over datasets: name -> (path, weight)."""
