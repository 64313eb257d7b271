"""Names of tensors in two layouts: one table of renames per family and layout, read in both directions."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from corpusloom.schemas.errors import InputError

_ANOTHER = "give the folder of such a model"


@dataclass(frozen=True, slots=True)
class Rename:
    """Names of a tensor in our model and in another layout; each `{}` is one word of the name, the same in both."""

    ours: str
    theirs: tuple[str, ...]
    """Several names: their tensors are equal parts of ours along dimension 0."""
    transposed: bool = False
    """Whether the other layout's tensor is the transpose of ours."""
    scalar: bool = False
    """Whether the other layout's tensor has the shape (), and ours [1]."""

    def their_names(self, ours: str) -> tuple[str, ...] | None:
        """Return the other layout's names of a tensor of ours, or None if `ours` does not match the name."""
        found = _pattern(self.ours).fullmatch(ours)
        return tuple(name.format(*found.groups()) for name in self.theirs) if found else None

    def to_ours(self, parts: Sequence[Tensor]) -> Tensor:
        """Return our tensor, from those of the other layout."""
        tensor = parts[0] if len(parts) == 1 else torch.cat(list(parts))
        tensor = tensor.reshape(1) if self.scalar else tensor
        return tensor.T.contiguous() if self.transposed else tensor

    def to_theirs(self, tensor: Tensor) -> Sequence[Tensor]:
        """Return the other layout's tensors, from ours."""
        tensor = tensor.reshape(()) if self.scalar else tensor
        tensor = tensor.T if self.transposed else tensor
        return tensor.chunk(len(self.theirs)) if len(self.theirs) > 1 else (tensor,)


@lru_cache(maxsize=1024)
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.escape(template).replace(r"\{\}", r"([^.]+)"))


def plain(table: Mapping[str, str]) -> tuple[Rename, ...]:
    """Return renames without a change of the tensor from {ours: theirs}."""
    return tuple(Rename(ours, (theirs,)) for ours, theirs in table.items())


def _find(table: Iterable[Rename], name: str) -> tuple[Rename, tuple[str, ...]]:
    return next((rename, names) for rename in table if (names := rename.their_names(name)) is not None)


def to_ours(
    names: Iterable[str], theirs: Mapping[str, Tensor], table: Sequence[Rename], where: str, *, ignored: str = "$^"
) -> dict[str, Tensor]:
    """Return our tensors of these names, from those of another layout.

    `ignored` matches names of the other layout that have no counterpart. Raises InputError that names the first tensor
    that is missing, or that no rename asks for.
    """
    state: dict[str, Tensor] = {}
    used: set[str] = set()
    for name in names:
        rename, parts = _find(table, name)
        for part in parts:
            if part not in theirs:
                raise InputError(f"weights of another model: no {part}", where=where, remedy=_ANOTHER)
        state[name] = rename.to_ours([theirs[part] for part in parts])
        used.update(parts)
    for name in theirs:
        if name not in used and not re.search(ignored, name):
            raise InputError(f"weights of another model: {name} has no place here", where=where, remedy=_ANOTHER)
    return state


def to_theirs(state: Mapping[str, Tensor], table: Sequence[Rename]) -> dict[str, Tensor]:
    """Return another layout's tensors from ours."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        rename, names = _find(table, name)
        renamed |= dict(zip(names, rename.to_theirs(tensor), strict=True))
    return renamed


def load_state(model: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Copy tensors into a model, whose other tensors stay.

    Raises InputError that names the first tensor of another shape, or with numbers that are not finite.
    """
    own = model.state_dict()
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            raise InputError(
                f"weights of another model: {name} is {tuple(tensor.shape)}, not {tuple(own[name].shape)}",
                where=where,
                remedy="the weights must have the shape that their configuration says",
            )
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise InputError(f"{name} holds NaN or infinity", where=where, remedy="copy them again, or give others")
    model.load_state_dict(state, strict=False)
