"""This rank's share of a state: the slices that it writes, and a kept copy of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.planner import SavePlan

from corpusloom.trainers.checkpoints.shards import divide_plans, own_plan
from corpusloom.trainers.training.collectives import together
from corpusloom.trainers.training.distributed import rank
from corpusloom.trainers.training.parallel import local


@dataclass(slots=True)
class Share:
    """Which slices this rank writes, planned anew when names, shapes or types change, and their copies."""

    plan: SavePlan = field(default_factory=lambda: SavePlan([]))
    copies: dict[str, Tensor] = field(default_factory=dict)
    """Name -> buffer in the host's memory, kept from save to save."""
    _layout: dict[str, tuple[Any, ...]] | None = None

    def take(self, tensors: Mapping[str, Tensor], *, copy: bool) -> dict[str, Tensor]:
        """Return this rank's slices of a state by name, as copies or in place. All ranks call this.

        A slice that several ranks hold is written, and copied, by one of them.
        """
        layout = {
            name: (value.shape, value.dtype, getattr(value, "placements", None)) for name, value in tensors.items()
        }
        if any(together(lambda: layout != self._layout)):
            self.plan = divide_plans(together(lambda: own_plan(tensors)))[rank()]
            self._layout = layout
        slices = {item.index.fqn: local(tensors[item.index.fqn]) for item in self.plan.items}
        return self._copied(slices) if copy else slices

    def _copied(self, slices: Mapping[str, Tensor]) -> dict[str, Tensor]:
        kept, self.copies = self.copies, {}
        for name, value in slices.items():
            self.copies[name] = _buffer(kept.pop(name, None), value)
            self.copies[name].copy_(value, non_blocking=True)
        if any(value.is_cuda for value in slices.values()):
            torch.cuda.synchronize()
        return self.copies


def _buffer(kept: Tensor | None, value: Tensor) -> Tensor:
    """Return the kept buffer if it fits a tensor, else a new one; page-locked for tensors of a GPU."""
    if kept is not None and (kept.shape, kept.dtype) == (value.shape, value.dtype):
        return kept
    return torch.empty(value.shape, dtype=value.dtype, device="cpu", pin_memory=value.is_cuda)
