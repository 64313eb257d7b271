"""Counts a model's parameters, memory and FLOPs on the meta device, without data or memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from corpusloom.trainers import registry
from corpusloom.trainers.training.config import RunConfig, TrainConfig


def describe_run(config: RunConfig) -> dict[str, Any]:
    """Return what `loom train --dry-run --json` prints: parameters, memory and FLOPs per step of a configuration.

    A family's task module may have `example_forward(model, batch_size)`: a forward pass over meta tensors whose FLOPs
    are counted.
    """
    with torch.device("meta"):
        model = registry.build_model(config)
    example = getattr(registry.family(config.family), "example_forward", None)
    return {"name": config.name, **describe(model, config.train, example)}


def describe(
    model: nn.Module, config: TrainConfig, example_forward: Callable[[nn.Module, int], object] | None = None
) -> dict[str, Any]:
    """Return {"parameters": {total, trainable, frozen, by_part}, "memory": bytes by use, "flops_per_step": per rank}.

    A parameter's part is the first word of its name, or what the model's `part_of(name)` returns. Memory is without
    activations.
    """
    described: dict[str, Any] = {"parameters": count_parameters(model), "memory": memory(model, config)}
    if example_forward is not None:
        described["flops_per_step"] = flops_per_step(model, config.batch_size, example_forward)
    return described


def count_parameters(model: nn.Module) -> dict[str, Any]:
    """Return numbers of parameters: total, trainable, frozen, by_part; a shared parameter counts once."""
    part_of = getattr(model, "part_of", None) or (lambda name: name.partition(".")[0])
    by_part: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        by_part[part_of(name)] = by_part.get(part_of(name), 0) + parameter.numel()
    total = sum(by_part.values())
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return {"total": total, "trainable": trainable, "frozen": total - trainable, "by_part": by_part}


def memory(model: nn.Module, config: TrainConfig) -> dict[str, int]:
    """Return bytes per rank: weights, gradients, optimizer (Adam's two moments in fp32) and checkpoint on disk."""
    weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    gradients = sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
    return {
        "weights": weights,
        "gradients": gradients,
        "optimizer": 2 * gradients,
        "checkpoint": weights + 2 * gradients,
    }


def flops_per_step(model: nn.Module, batch_size: int, example_forward: Callable[[nn.Module, int], object]) -> int:
    """Return FLOPs per rank and step: those of a forward pass of one sample, times 3 with the backward pass."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        example_forward(model.eval(), 1)  # in training mode batch normalisation refuses a batch of one
    return 3 * counter.get_total_flops() * batch_size
