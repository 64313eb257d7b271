"""AdamW for all families: parameter groups, and the learning rate as a function of the step."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from corpusloom.trainers.training.config import TrainConfig


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Return AdamW's groups of the trainable parameters, split by weight decay and by learning-rate factor.

    Parameters of one dimension or less (gains, biases, logit scale) have no decay, nor have the names that the model's
    `no_decay()` returns, if it has one. A model's `lr_factor(name)`, if it has one, is a factor of the learning rate.
    """
    no_decay, lr_factor = getattr(model, "no_decay", None), getattr(model, "lr_factor", None)
    exempt = set(no_decay()) if no_decay else set()
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in trainable(model):
        factor = float(lr_factor(name)) if lr_factor else 1.0
        decay = 0.0 if parameter.ndim <= 1 or name in exempt else config.weight_decay
        group = groups.setdefault((decay, factor), {"params": [], "weight_decay": decay, "lr_factor": factor})
        group["params"].append(parameter)
    return list(groups.values())


def trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield (name, parameter) of the parameters that are not frozen."""
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW over the model's parameter groups (decoupled weight decay, arXiv 1711.05101)."""
    groups = parameter_groups(model, config)
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, foreach=True)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate of step 0, 1, ...: linear warmup, then cosine or linear to 0, or constant."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    if config.schedule == "cosine":
        return config.lr * 0.5 * (1 + math.cos(math.pi * progress))
    return config.lr * (1 - progress) if config.schedule == "linear" else config.lr


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set each group's learning rate to `lr` times the group's factor."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_factor", 1.0)
