"""From a configuration to its family's code: `trainers.<family>.task` is imported only when it is asked for."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

from torch import nn

from corpusloom.trainers import checkpoint
from corpusloom.trainers.config import RunConfig
from corpusloom.trainers.loop import Evaluate, Objective, Stream


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """All that the loop needs of a family, built for one run."""

    model: nn.Module
    objective: Objective
    stream: Stream
    evaluate: Evaluate | None = None
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    """Small files without which the model cannot be used: they are saved in every checkpoint."""


def family(name: str) -> ModuleType:
    """Return the module `trainers.<name>.task`.

    It has `build_model(config: RunConfig) -> nn.Module` (no data needed, works on the meta device) and
    `build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]]) -> Task` (name -> path and weight).
    """
    return importlib.import_module(f"corpusloom.trainers.{name}.task")


def build_model(config: RunConfig) -> nn.Module:
    """Return the configuration's model with fresh weights, on torch's default device."""
    return family(config.family).build_model(config)


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]]) -> Task:
    """Return model, objective, stream and evaluation for a run over datasets: name -> (path, weight)."""
    return family(config.family).build_task(config, datasets)


def load_model(path: str) -> tuple[nn.Module, RunConfig]:
    """Return a checkpoint's model, in evaluation mode, and its configuration; a run's folder means its newest one."""
    folder = checkpoint.find(path)
    config = checkpoint.read_config(folder)
    model = build_model(config)
    checkpoint.load_weights(model, folder)
    return model.eval(), config
