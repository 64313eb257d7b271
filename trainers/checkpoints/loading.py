"""Loads a checkpoint's tensors into a model, an optimiser and a moving average, on any number of ranks."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.checkpoints.shards import TensorReader
from corpusloom.trainers.checkpoints.tensors import (
    AVERAGE,
    MODEL,
    at_least_one_dimension,
    check_same_model,
    make_optimizer_state,
    model_tensors,
)


def load_weights(model: nn.Module, path: str) -> None:
    """Load a checkpoint's weights into a model, averages if there are any; InputError unless names and shapes agree."""
    commit = folders.read_commit(path)
    with folders.local_shards(path, commit) as local:
        folders.check_shards(path, commit, folders.shards_of(commit), local)
        reader = TensorReader(local)
        fill_model(reader, model, commit, path)
        parameters = {AVERAGE + name: at_least_one_dimension(item) for name, item in model.named_parameters()}
        reader.fill({label: tensor for label, tensor in parameters.items() if label in reader.stored})


def fill_model(reader: TensorReader, model: nn.Module, commit: Mapping[str, Any], path: str) -> None:
    """Load weights and buffers, but not those of frozen parts that the checkpoint names.

    Raises InputError, before any is changed, unless names and shapes agree.
    """
    wanted = model_tensors(model, commit["frozen"])
    aliases: dict[str, str] = commit["aliases"]
    check_same_model(wanted, {label: shape for label, (shape, _) in reader.stored.items()}, aliases, path)
    reader.fill({label: tensor for label, tensor in wanted.tensors.items() if label in reader.stored})
    for label, tensor in wanted.tensors.items():
        if label not in reader.stored:  # tied in the checkpoint, but not in this model
            tensor.copy_(wanted.tensors[MODEL + aliases[label.removeprefix(MODEL)]])


def fill_optimizer(reader: TensorReader, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Load the optimiser's state of the parameters that are trained now and then; others begin without state."""
    reader.fill(make_optimizer_state(model, optimizer, reader.stored))


def fill_averages(reader: TensorReader, model: nn.Module, averages: Mapping[str, Tensor]) -> bool:
    """Load moving averages; what the checkpoint lacks begins at the weights. Return whether any was lacking."""
    labels = {AVERAGE + name: at_least_one_dimension(value) for name, value in averages.items()}
    known = {label: value for label, value in labels.items() if label in reader.stored}
    reader.fill(known)
    parameters = dict(model.named_parameters())
    for name, value in averages.items():
        if AVERAGE + name not in known:
            value.copy_(parameters[name].detach())
    return len(known) < len(labels)
