"""What a model would cost, without data and without memory: built on the meta device."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from corpusloom.trainers import registry
from corpusloom.trainers.run_config import RunConfig, TrainConfig


def describe_run(config: RunConfig) -> dict[str, Any]:
    """Return what `loom train --dry-run --json` prints: parameters, memory and FLOPs a step of a configuration.

    A family's task module may have `example_forward(model, batch_size)`, one forward pass over meta tensors, from
    which the FLOPs are counted.
    """
    with torch.device("meta"):
        model = registry.build_model(config)
    example = getattr(registry.family(config.family), "example_forward", None)
    return {"name": config.name, **describe(model, config.train, example)}


def describe(
    model: nn.Module, config: TrainConfig, example_forward: Callable[[nn.Module, int], object] | None = None
) -> dict[str, Any]:
    """Return {"parameters": {total, trainable, frozen, by_part}, "memory": bytes, "flops_per_step": of a rank}.

    A part is the first word of a parameter's name, or what the model's `part_of(name)` says. Memory leaves out
    activations.
    """
    described: dict[str, Any] = {"parameters": count_parameters(model), "memory": memory(model, config)}
    if example_forward is not None:
        described["flops_per_step"] = flops_per_step(model, config.batch_size, example_forward)
    return described


def count_parameters(model: nn.Module) -> dict[str, Any]:
    """Return the numbers of parameters: total, trainable, frozen, by_part; a shared one counts once."""
    part_of = getattr(model, "part_of", None) or (lambda name: name.partition(".")[0])
    by_part: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        by_part[part_of(name)] = by_part.get(part_of(name), 0) + parameter.numel()
    total = sum(by_part.values())
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return {"total": total, "trainable": trainable, "frozen": total - trainable, "by_part": by_part}


def memory(model: nn.Module, config: TrainConfig) -> dict[str, int]:
    """Return bytes a rank: weights, gradients, optimizer (Adam's two moments in fp32) and checkpoint on disk."""
    weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    gradients = sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
    return {
        "weights": weights,
        "gradients": gradients,
        "optimizer": 2 * gradients,
        "checkpoint": weights + 2 * gradients,
    }


def flops_per_step(model: nn.Module, batch_size: int, example_forward: Callable[[nn.Module, int], object]) -> int:
    """Return the FLOPs of one step of a rank: those of a counted forward pass of one sample, times 3 for training."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        example_forward(model, 1)
    return 3 * counter.get_total_flops() * batch_size
