"""A start and reports, for tests of observers."""

from typing import Any

from corpusloom.trainers.training.observe.reports import RunStart, StepReport


def start(**changes: Any) -> RunStart:
    values: dict[str, Any] = {
        "name": "clip-tiny", "device": "cpu, 1 thread", "ranks": 1, "plan": "",
        "precision": "fp32", "parameters": 1_234_567, "trained": 1_000, "datasets": {"align": 1_043},
        "samples_per_step": 64, "steps": 750, "resumed_at": 0,
    }  # fmt: skip
    return RunStart(**(values | changes))


def report(step: int, **changes: Any) -> StepReport:
    values: dict[str, Any] = {
        "step": step, "steps": 20, "loss": 1.0, "grad_norm": 2.0, "lr": 0.1, "samples": 4, "samples_per_second": 8.0,
        "seconds": {"data": 0.25, "compute": 0.75}, "metrics": {"accuracy": 0.5}, "wait": 0.25, "memory": 1_000_000,
    }  # fmt: skip
    return StepReport(**(values | changes))
