"""A small model and its run on any mesh: sharded, split by layers, or whole; tied weights, statistics, odd sizes."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module


class Small(nn.Module):
    """Embedding and head share a weight of 7 rows; the scale has one value; the norm has running statistics."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, width)
        self.up, self.down = nn.Linear(width, 12), nn.Linear(12, width)
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, 7)
        self.head.weight = self.embedding.weight
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        return self.head(self.norm(x + self.down(self.up(x).relu()))) * self.scale


@dataclass
class SmallRun:
    """A model, its optimiser and its average, after some steps."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    averages: dict[str, Tensor]

    def step(self, number: int) -> None:
        """Do one step on a batch that is a function of its number; every rank has the same one."""
        generator = torch.Generator().manual_seed(number)
        tokens = torch.randint(0, 7, (6,), generator=generator)
        self.optimizer.zero_grad()
        self.model(tokens).square().sum().backward()
        self.optimizer.step()
        for name, weight in self.model.named_parameters():
            if name in self.averages:
                self.averages[name].lerp_(weight.detach(), 0.25)

    def whole(self) -> dict[str, Tensor]:
        """Return all tensors, whole, by name; every rank must call this."""
        named = {f"model {name}": value for name, value in self.model.state_dict().items()}
        named |= {f"ema {name}": value for name, value in self.averages.items()}
        for name, parameter in self.model.named_parameters():
            named |= {f"{key} {name}": value for key, value in self.optimizer.state[parameter].items()}
        return {
            name: (value.full_tensor() if isinstance(value, DTensor) else value).detach().clone()
            for name, value in named.items()
        }


def small_run(mesh: DeviceMesh | None = None, *, seed: int = 0, width: int = 8, average: bool = True) -> SmallRun:
    """Return a run with fresh weights: on a mesh of (shard,), (replicate, shard) or (shard, tensor), or whole."""
    torch.manual_seed(seed)
    model = Small(width)
    if mesh is not None:
        names = mesh.mesh_dim_names or ()
        if "tensor" in names:
            parallelize_module(model, mesh["tensor"], {"up": ColwiseParallel(), "down": RowwiseParallel()})
        fully_shard(model, mesh=mesh["shard"] if "tensor" in names else mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    averages = {name: weight.detach().clone() for name, weight in model.named_parameters()} if average else {}
    return SmallRun(model, optimizer, averages)
