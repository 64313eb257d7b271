"""A small model, an endless resumable stream and an objective, for tests of the loop."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.loop import Loss, StepContext

WIDTH = 6


class ToyStream:
    """A stream whose batch i is a function of i alone."""

    def __init__(self, batch_size: int = 4, limit: int | None = None) -> None:
        self.position, self.batch_size, self.limit = 0, batch_size, limit

    def __next__(self) -> dict[str, Any]:
        if self.limit is not None and self.position >= self.limit:
            raise StopIteration
        generator = torch.Generator().manual_seed(self.position)
        self.position += 1
        keys = [f"{self.position}-{i}" for i in range(self.batch_size)]
        return {"keys": keys, "x": torch.randn(self.batch_size, WIDTH, generator=generator)}

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position}

    def close(self) -> None:
        pass

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position = state["position"]


def toy_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(WIDTH, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, 1)
    )


def toy_objective(model: nn.Module, batch: dict[str, Any], context: StepContext) -> Iterator[Loss]:
    x: Tensor = batch["x"]
    target = x.sum(1, keepdim=True)
    yield Loss((model(x) - target).square().mean(), {"target": target.mean()})


def toy_config(**changes: Any) -> TrainConfig:
    values = {"steps": 20, "batch_size": 4, "lr": 1e-2, "warmup": 3, "weight_decay": 0.1, "grad_clip": 1.0}
    return TrainConfig(**(values | {"checkpoint_every": 10, "log_every": 5} | changes))
