"""Trains a model with its progress: a line per report, and the time left."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from corpusloom.pipelines.engine.pace import time_words
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.schemas import storage

if TYPE_CHECKING:
    from corpusloom.trainers.training.config import RunConfig
    from corpusloom.trainers.training.loop import TrainResult
    from corpusloom.trainers.training.observe import StepReport


def run_training(
    family: str, config: "RunConfig", data: Sequence[str], out: str, reporter: Reporter, device: str | None = None
) -> "TrainResult":
    """Train a family's model over datasets into the folder `out`, as `trainers.run.run`, and report each report."""
    from corpusloom.trainers.checkpoints.folders import latest
    from corpusloom.trainers.run import run

    newest = latest(storage.join(out, "checkpoints"))
    done = [int(newest[-8:]) if newest else 0]

    def on_update(step: int) -> None:
        done[0] = step

    def on_step(report: "StepReport") -> None:
        reporter.event("step", f"  {step_line(report)}", **report.to_plain())

    with reporter.stage("train", config.train.steps, lambda: done[0], unit="steps", detail=f"train {config.name}"):
        return run(
            family, config, data, out, device=device, on_step=on_step, on_update=on_update, on_note=reporter.note
        )


def step_line(report: "StepReport") -> str:
    """Return a line on the steps since the last report, with the time left at their rate."""
    left = (report.steps - report.step) * sum(report.seconds.values())
    rate = f"{report.samples_per_second:,.0f} samples per second"
    return f"step {report.step:,} of {report.steps:,}: loss {report.loss:.4f}, {rate}, {time_words(left)} left"
