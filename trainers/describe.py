"""Counts a model's parameters and memory on the meta device, without data or memory."""

from typing import Any

import torch
from torch import nn

from corpusloom.trainers import registry
from corpusloom.trainers.training.config import RunConfig


def describe_run(config: RunConfig) -> dict[str, Any]:
    """Return what `loom train --dry-run --json` prints: parameters and memory of a configuration."""
    with torch.device("meta"):
        model = registry.build_model(config)
    return {"name": config.name, **describe(model)}


def describe(model: nn.Module) -> dict[str, Any]:
    """Return {"parameters": {total, trainable, frozen, by_part}, "memory": bytes by use}.

    A parameter's part is the first word of its name, or what the model's `part_of(name)` returns. Memory is without
    activations.
    """
    return {"parameters": count_parameters(model), "memory": memory(model)}


def count_parameters(model: nn.Module) -> dict[str, Any]:
    """Return numbers of parameters: total, trainable, frozen, by_part; a shared parameter counts once."""
    part_of = getattr(model, "part_of", None) or (lambda name: name.partition(".")[0])
    by_part: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        by_part[part_of(name)] = by_part.get(part_of(name), 0) + parameter.numel()
    total = sum(by_part.values())
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return {"total": total, "trainable": trainable, "frozen": total - trainable, "by_part": by_part}


def memory(model: nn.Module) -> dict[str, int]:
    """Return bytes per rank: weights, gradients, optimizer (Adam's two moments in fp32) and checkpoint on disk."""
    weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    gradients = sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
    return {
        "weights": weights,
        "gradients": gradients,
        "optimizer": 2 * gradients,
        "checkpoint": weights + 2 * gradients,
    }
