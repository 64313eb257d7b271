"""The tensors of a checkpoint by name, as they stand in model, optimiser and average.

model:NAME            a trained parameter, or a buffer
ema:NAME              moving average of a trained parameter
optimizer.KEY:NAME    a tensor of the optimiser's state of a parameter

Scalars stand as tensors of shape (1,), because safetensors slices nothing else. Tied weights stand once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from corpusloom.schemas.errors import InputError

MODEL, AVERAGE, OPTIMIZER = "model:", "ema:", "optimizer."


@dataclass(frozen=True, slots=True)
class NamedTensors:
    """Live tensors by their names in a checkpoint, and tied weights."""

    tensors: dict[str, Tensor]
    aliases: dict[str, str] = field(default_factory=dict)
    """Name of a tied weight -> name under which it stands, both without `model:`."""


def model_tensors(model: nn.Module, frozen: Iterable[str] = ()) -> NamedTensors:
    """Return what a checkpoint holds of a model: all parameters and buffers but those that frozen parts bring along.

    `frozen` are the configuration keys of parts whose weights come from elsewhere. The second word of a key is the name
    of the part's module: "model.vision.checkpoint" is about the module `vision`.
    """
    left_out = [f"{key.split('.')[1]}." for key in frozen]
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    still = tuple(prefix for prefix in left_out if not any(name.startswith(prefix) for name in trained))
    seen: dict[int, str] = {}
    kept = NamedTensors({})
    for name, tensor in model.state_dict(keep_vars=True).items():
        untrained = isinstance(tensor, nn.Parameter) and not tensor.requires_grad
        if name.startswith(still) or (untrained and name.startswith(tuple(left_out))):
            continue
        if id(tensor) in seen:
            kept.aliases[name] = seen[id(tensor)]
        else:
            seen[id(tensor)] = name
            kept.tensors[MODEL + name] = at_least_one_dimension(tensor)
    return kept


def all_tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer, averages: Mapping[str, Tensor], frozen: Iterable[str]
) -> NamedTensors:
    """Return what a checkpoint holds of a run."""
    found = model_tensors(model, frozen)
    found.tensors.update((AVERAGE + name, at_least_one_dimension(value)) for name, value in averages.items())
    for name, parameter in model.named_parameters():
        for key, value in sorted(optimizer.state.get(parameter, {}).items()):
            found.tensors[f"{OPTIMIZER}{key}:{name}"] = at_least_one_dimension(value)
    return found


def at_least_one_dimension(tensor: Tensor) -> Tensor:
    """Return the tensor without gradient; a scalar as shape (1,), in the same memory."""
    detached = tensor.detach()
    return detached.view(1) if detached.ndim == 0 else detached


def make_optimizer_state(
    model: nn.Module, optimizer: torch.optim.Optimizer, stored: Mapping[str, tuple[torch.Size, torch.dtype]]
) -> dict[str, Tensor]:
    """Give the optimiser empty tensors for the state that a checkpoint holds; return them by name, to be filled."""
    groups = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    parameters = {name: item for name, item in model.named_parameters() if id(item) in groups}
    optimizer.state.clear()
    made: dict[str, Tensor] = {}
    for label, (shape, dtype) in stored.items():
        key, _, name = label.removeprefix(OPTIMIZER).partition(":")
        if not label.startswith(OPTIMIZER) or name not in parameters:
            continue
        parameter = parameters[name]
        state = _empty_state(parameter, key, shape, dtype, groups[id(parameter)])
        optimizer.state[parameter][key] = state
        made[label] = at_least_one_dimension(state)
    return made


def _empty_state(
    parameter: nn.Parameter, key: str, shape: torch.Size, dtype: torch.dtype, group: Mapping[str, object]
) -> Tensor:
    """Return zeros: as the parameter, divided among ranks as it is, or a scalar (torch's count of steps)."""
    if key != "step":
        return torch.zeros_like(parameter, dtype=dtype)
    on_device = bool(group.get("capturable") or group.get("fused"))
    return torch.zeros((), dtype=dtype, device=parameter.device if on_device else "cpu")


def check_same_model(
    wanted: NamedTensors, stored: Mapping[str, Sequence[int]], aliases: Mapping[str, str], where: str
) -> None:
    """Raise InputError with the first tensor that differs in shape, or that only one of model and checkpoint has.

    `stored` is {name: shape} of a checkpoint, `aliases` its tied weights.
    """
    for problem in _differences(wanted, stored, aliases):
        raise InputError(
            f"the checkpoint is of another model: {problem}",
            where=where,
            remedy="use the configuration that the checkpoint was made with, or another --out",
        )


def _differences(
    wanted: NamedTensors, stored: Mapping[str, Sequence[int]], aliases: Mapping[str, str]
) -> Iterator[str]:
    """Yield a line per tensor that differs, first in the model's order."""
    for label, tensor in wanted.tensors.items():
        name, shape = label.removeprefix(MODEL), tuple(tensor.shape)
        source = label if label in stored else MODEL + aliases.get(name, "")
        if source not in stored:
            yield f"{name} {shape} is not in the checkpoint"
        elif tuple(stored[source]) != shape:
            yield f"{name} is {tuple(stored[source])} in the checkpoint, {shape} in the model"
    for label, sizes in stored.items():
        name = label.removeprefix(MODEL)
        if label.startswith(MODEL) and label not in wanted.tensors and name not in wanted.aliases:
            yield f"{name} {tuple(sizes)} of the checkpoint is not in the model"
