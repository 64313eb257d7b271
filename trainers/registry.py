"""Finds the code of a configuration's family: `trainers/<family>/task.py` is imported when it is first used."""

import importlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import nn

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.evaluation.batches import Evaluation
from corpusloom.trainers.training import checkpoint
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.hub.folders import Folder, is_model_folder, read_folder
from corpusloom.trainers.training.task import FamilyConfiguration, FamilyModule, TrainingTask

_FAMILIES = {"clip": "clip", "siglip": "clip", "vilbert": "vilbert"}
"""Model type of a folder of transformers or open_clip -> family."""


def family_of(folder: Folder) -> str:
    """Return the family of the model in a folder; ConfigError if it is of none."""
    folder.check_type(*_FAMILIES)
    return _FAMILIES[folder.model_type]


def family(name: str) -> FamilyModule:
    """Return the module `corpusloom.trainers.<name>.task`."""
    return cast(FamilyModule, importlib.import_module(f"corpusloom.trainers.{name}.task"))


def _configuration(name: str) -> FamilyConfiguration:
    return cast(FamilyConfiguration, importlib.import_module(f"corpusloom.trainers.{name}.config"))


def tables_of(config: RunConfig) -> dict[str, object]:
    """Return the tables of a configuration by name: those of all families and its own; checks their keys."""
    return {
        "train": config.train,
        "parallel": config.parallel,
        "loader": config.loader,
        **_configuration(config.family).tables_of(config),
    }


def complete(config: RunConfig, typed: Collection[str] | None = None, begun: str | None = None) -> RunConfig:
    """Return the configuration with the shape of its initial weights; `typed` as in `take_shape`.

    `begun` is the newest checkpoint of the run, if it has one.
    """
    return family(config.family).complete(config, typed, begun)


def build_model(config: RunConfig) -> nn.Module:
    """Return the configuration's model with fresh weights, on torch's default device."""
    return family(config.family).build_model(config)


def frozen_parts(config: RunConfig) -> dict[str, str]:
    """Return {configuration key: path} of the weights that a run takes from elsewhere and does not train."""
    found = getattr(family(config.family), "frozen_parts", None)
    return dict(found(config)) if found else {}


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]], begun: str | None = None) -> TrainingTask:
    """Return model, objective, stream and evaluation of a run over datasets: name -> (path, share of samples).

    `begun` is the newest checkpoint of the run, if it has one.
    """
    return family(config.family).build_task(config, datasets, begun)


def evaluations(name: str) -> Mapping[str, Evaluation]:
    """Return the evaluations of a family by name, as the module `corpusloom.trainers.<name>.evaluate` lists them."""
    module = importlib.import_module(f"corpusloom.trainers.{name}.evaluate")
    return cast(Mapping[str, Evaluation], module.evaluations())


def load_evaluated(name: str, path: str, assignments: Sequence[str] = ()) -> tuple[nn.Module, Any]:
    """Return a family's model at a path, and the second argument of its evaluations, such as a tokenizer.

    `assignments` are KEY=PATH of frozen parts that moved; ConfigError for a family without such parts.
    """
    module = family(name)
    if assignments and not hasattr(module, "frozen_parts"):
        raise ConfigError(f"a {name} has no frozen part to relocate", where="--set", remedy="leave --set out")
    return module.load_evaluated(path, *assignments)


def read_model(path: str) -> tuple[str, nn.Module, dict[str, bytes]]:
    """Return family, model and checkpoint attachments of a folder of transformers or open_clip."""
    folder = read_folder(path)
    name = family_of(folder)
    return name, *family(name).read_model(folder)


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model, in evaluation mode, and what its checkpoints hold besides weights."""

    family: str
    model: nn.Module
    attachments: Mapping[str, bytes]
    step: int | None
    """Updates of the checkpoint; None for a model folder."""


def open_model(path: str, assignments: Sequence[str] = ()) -> OpenedModel:
    """Return the model of a checkpoint, of a run's newest one or of a model folder.

    Its weights are the moving averages, if the run kept them. `assignments` are KEY=PATH of frozen parts that moved.
    """
    if is_model_folder(path):
        return OpenedModel(*read_model(path), step=None)
    folder = folders.find(path)
    model, config = checkpoint.load_model(folder, build_model, assignments)
    return OpenedModel(config.family, model, read_attachments(folder), int(folders.read_commit(folder)["step"]))


def read_attachments(path: str) -> dict[str, bytes]:
    """Return the attachments of a checkpoint, of a run's newest one or of a model folder: vocabulary, origin."""
    if is_model_folder(path):
        return read_model(path)[2]
    folder = folders.find(path)
    commit = folders.read_commit(folder)
    names = set(commit["files"]) - set(folders.shards_of(commit)) - {folders.CONFIG, folders.STREAM}
    return {name: folders.read_file(folder, name, commit) for name in sorted(names)}


def load_model(path: str) -> tuple[nn.Module, RunConfig]:
    """Return a checkpoint's model, in evaluation mode, and its configuration; a run's folder means its newest one."""
    return checkpoint.load_model(path, build_model)
