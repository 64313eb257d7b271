"""AdamW for all families: parameter groups, the learning rate of each step, a moving average of the weights."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.config import GroupConfig, TrainConfig
from corpusloom.trainers.training.parallel import plan_of

DROP = 0.1
"""Factor of the learning rate at each of `train.lr_drops`."""
LAST_SHARE = 0.1
"""Learning rate after an exponential decay, as a share of the peak (Flamingo, arXiv 2204.14198, section 4.3)."""


def trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield (name, parameter) of the parameters that are not frozen."""
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def group_of(name: str, groups: Mapping[str, GroupConfig]) -> GroupConfig:
    """Return the settings of the last pattern that fits a parameter's name; the defaults if none fits."""
    return next(
        (group for pattern, group in reversed(list(groups.items())) if fnmatchcase(name, pattern)), GroupConfig()
    )


def freeze(model: nn.Module, groups: Mapping[str, GroupConfig]) -> None:
    """Freeze the parameters whose group says so; ConfigError if a pattern fits no name, or all are frozen."""
    names = [name for name, _ in model.named_parameters()]
    for pattern in groups:
        if not any(fnmatchcase(name, pattern) for name in names):
            parts = ", ".join(sorted({f"{name.partition('.')[0]}.*" for name in names}))
            raise ConfigError(f"no parameter fits {pattern!r}", where="train.groups", remedy=f"e.g. {parts}")
    for name, parameter in model.named_parameters():
        if group_of(name, groups).freeze:
            parameter.requires_grad_(False)
    if next(trainable(model), None) is None:
        raise ConfigError("every parameter is frozen", where="train.groups", remedy="leave some to train")


def frozen_modules(model: nn.Module) -> list[nn.Module]:
    """Return the modules all of whose parameters are frozen: they stay in evaluation mode, without dropout."""
    found = []
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            found.append(module)
    return found


def layer_of(name: str, blocks: list[str], names: list[str]) -> int:
    """Return a parameter's layer: 0 before the blocks, i + 1 in block i, and the last block's after them."""
    for number, block in enumerate(blocks):
        if name.startswith(f"{block}."):
            return number + 1
    first = next((at for at, other in enumerate(names) if other.startswith(tuple(f"{block}." for block in blocks))), 0)
    return 0 if names.index(name) < first else len(blocks)


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Return AdamW's groups of the trainable parameters, split by weight decay, learning-rate factor and mesh.

    Parameters of one dimension or less (gains, biases, logit scale) have no decay, nor have the names that the model's
    `no_decay()` returns, if it has one. A model's `lr_factor(name)`, if it has one, and the factors of `train.groups`
    are multiplied. Parameters of different meshes are never in one group, because torch's fused loops refuse them.
    """
    no_decay, lr_factor = getattr(model, "no_decay", None), getattr(model, "lr_factor", None)
    exempt = set(no_decay()) if no_decay else set()
    decays = layer_factors(model, config.groups)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, parameter in trainable(model):
        group = group_of(name, config.groups)
        factor = group.lr_factor * decays.get(name, 1.0) * (float(lr_factor(name)) if lr_factor else 1.0)
        given = config.weight_decay if group.weight_decay is None else group.weight_decay
        decay = 0.0 if parameter.ndim <= 1 or name in exempt else given
        key = decay, factor, getattr(parameter, "device_mesh", None)
        entry = found.setdefault(key, {"params": [], "weight_decay": decay, "lr_factor": factor})
        entry["params"].append(parameter)
    return list(found.values())


def layer_factors(model: nn.Module, groups: Mapping[str, GroupConfig]) -> dict[str, float]:
    """Return parameter's name -> factor of its layer, for the groups with `layer_decay` (BEiT, arXiv 2106.08254)."""
    factors: dict[str, float] = {}
    everything = [name for name, _ in model.named_parameters()]
    for pattern, group in groups.items():
        if group.layer_decay is None:
            continue
        names = [name for name in everything if fnmatchcase(name, pattern)]
        blocks = [block for block in plan_of(model).blocks if any(name.startswith(f"{block}.") for name in names)]
        for name in names:
            factors[name] = group.layer_decay ** (len(blocks) - layer_of(name, blocks, names))
    return factors


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW over the model's parameter groups (decoupled weight decay, arXiv 1711.05101)."""
    groups = parameter_groups(model, config)
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate of step 0, 1, ...: linear warmup, then a decay or a constant, and drops.

    Cosine and linear decay end at 0, an exponential one at LAST_SHARE of the peak.
    """
    return _scheduled(step, config) * DROP ** sum(step >= round(share * config.steps) for share in config.lr_drops)


def _scheduled(step: int, config: TrainConfig) -> float:
    """Return the learning rate without drops."""
    warmup = config.warmup_steps
    if step < warmup:
        return config.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, config.steps - warmup)
    if config.schedule == "cosine":
        return config.lr * 0.5 * (1 + math.cos(math.pi * progress))
    if config.schedule == "exponential":
        return config.lr * LAST_SHARE**progress
    return config.lr * (1 - progress) if config.schedule == "linear" else config.lr


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set each group's learning rate to `lr` times the group's factor."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_factor", 1.0)


class MovingAverage:
    """An exponential moving average of a model's trained weights."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {name: weight.detach().clone() for name, weight in trainable(model)}
        """Name -> average, divided among ranks as the parameter is."""

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the weights: average = decay * average + (1 - decay) * weight."""
        for name, weight in trainable(model):
            self.weights[name].lerp_(weight.detach(), 1 - self.decay)

    @contextlib.contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Copy the averaged weights into the model while the block runs."""
        own = {name: weight.detach().clone() for name, weight in trainable(model)}
        self._put(model, self.weights)
        try:
            yield
        finally:
            self._put(model, own)

    @torch.no_grad()
    def _put(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        for name, weight in trainable(model):
            weight.copy_(weights[name])
