"""A small model, an endless resumable stream and an objective, for tests of the loop."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.loop import TrainResult, train
from corpusloom.trainers.training.observe.reports import Observer, RunStart, StepReport
from corpusloom.trainers.training.task import Evaluate, Loss, StepContext, TrainingTask

WIDTH = 6
Losses = Callable[[nn.Module, dict[str, Any], StepContext], Iterator[Loss]]


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


class Poisoned(ToyStream):
    """A stream whose batches of some steps hold NaN."""

    def __init__(self, *steps: int) -> None:
        super().__init__()
        self.steps = steps

    def __next__(self) -> dict[str, Any]:
        step = self.position
        batch = super().__next__()
        return {**batch, "x": batch["x"] * math.nan} if step in self.steps else batch


class ToyObjective:
    """The mean squared error between a model's output and the sum of its input; or other losses of one rank."""

    def __init__(self, losses: Losses | None = None) -> None:
        self.given = losses

    def prepare(self, batch: dict[str, Any]) -> dict[str, Any]:
        return batch

    def counts(self, batch: dict[str, Any]) -> dict[str, float]:
        return {"rows": len(batch["keys"])}

    def losses(
        self, model: nn.Module, batch: dict[str, Any], totals: Mapping[str, float], context: StepContext
    ) -> Iterator[Loss]:
        if self.given is not None:
            yield from self.given(model, batch, context)
            return
        rows = len(batch["keys"])
        x: Tensor = batch["x"]
        target = x.sum(1, keepdim=True)
        squares = (model(x) - target).square()[:rows]
        yield Loss(squares.sum() / max(totals["rows"], 1), {"target": (target[:rows].sum(), rows)})


class Recorder(Observer):
    """An observer that keeps what it is told, in order of kinds."""

    def __init__(self, on_report: Callable[[StepReport], None] = lambda _: None) -> None:
        self.starts: list[RunStart] = []
        self.reports: list[StepReport] = []
        self.evaluations: list[tuple[int, dict[str, float]]] = []
        self.checkpoints: list[int] = []
        self.notes: list[str] = []
        self._on_report = on_report

    def start(self, start: RunStart) -> None:
        self.starts.append(start)

    def report(self, report: StepReport) -> None:
        self.reports.append(report)
        self._on_report(report)

    def evaluation(self, step: int, figures: Mapping[str, float]) -> None:
        self.evaluations.append((step, dict(figures)))

    def saved(self, step: int, path: str) -> None:
        self.checkpoints.append(step)

    def note(self, text: str) -> None:
        self.notes.append(text)


def toy_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(WIDTH, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, 1)
    )


def toy_config(**changes: Any) -> TrainConfig:
    values = {"steps": 20, "batch_size": 4, "lr": 1e-2, "warmup": 3, "weight_decay": 0.1, "grad_clip": 1.0}
    return TrainConfig(**(values | {"checkpoint_every": 10, "log_every": 5} | changes))


def toy_task(
    model: nn.Module | None = None,
    stream: Any = None,
    losses: Losses | None = None,
    evaluate: Evaluate | None = None,
) -> TrainingTask:
    """Return a task of the toy model, stream and objective, or of those that are given."""
    return TrainingTask(
        model=toy_model() if model is None else model,
        skeleton=toy_model,
        objective=ToyObjective(losses),
        stream=ToyStream() if stream is None else stream,
        example=lambda: {"keys": [""], "x": torch.zeros(1, WIDTH)},
        evaluate=evaluate,
    )


def train_toy(
    model: nn.Module | None = None,
    stream: Any = None,
    config: TrainConfig | None = None,
    *,
    losses: Losses | None = None,
    evaluate: Evaluate | None = None,
    **options: Any,
) -> TrainResult:
    """Train the toy task."""
    return train(toy_task(model, stream, losses, evaluate), config or toy_config(), **options)


def states(model: nn.Module) -> dict[str, torch.Tensor]:
    return dict(model.state_dict())
