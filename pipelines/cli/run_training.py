"""Trains a model with its progress: the start, a line per report and evaluation, and the time left."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from corpusloom.pipelines.cli.text_tables import interval_words, main_figures
from corpusloom.pipelines.engine.pace import time_words
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.schemas import storage

if TYPE_CHECKING:
    from corpusloom.trainers.training.config import RunConfig
    from corpusloom.trainers.training.loop import TrainResult
    from corpusloom.trainers.training.observe.profiler import StepWindow
    from corpusloom.trainers.training.observe.reports import Observer, RunStart, StepReport


class TrainingLines:
    """An observer that prints lines: text, or JSON where logs are JSON."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def start(self, start: "RunStart") -> None:
        """Print the device, ranks, parameters and datasets."""
        plain = {name: getattr(start, name) for name in start.__slots__ if name != "name"}
        self._reporter.event("training", f"  {start}", config=start.name, **plain)

    def report(self, report: "StepReport") -> None:
        """Print a report."""
        plain = {**report.to_plain(), "steps": report.steps, "seconds_left": round(report.seconds_left, 1)}
        self._reporter.event("step", f"  {step_line(report)}", **plain)

    def evaluation(self, step: int, figures: Mapping[str, float]) -> None:
        """Print an evaluation."""
        self._reporter.event(
            "evaluation", f"  evaluation at step {step:,}: {figure_words(figures)}", step=step, **figures
        )

    def saved(self, step: int, path: str) -> None:
        """Print the path of a checkpoint as JSON; the text output has no such line."""
        if self._reporter.json:
            self._reporter.event("checkpoint", "", step=step, path=path)

    def note(self, text: str) -> None:
        """Print a note."""
        self._reporter.note(f"  {text}")

    def close(self) -> None:
        """Print nothing: the stage's own line follows."""


def run_training(
    family: str,
    config: "RunConfig",
    data: Sequence[str],
    out: str,
    reporter: Reporter,
    device: str | None = None,
    *,
    observers: Sequence["Observer"] = (),
    profile: "StepWindow | None" = None,
) -> "TrainResult":
    """Train a family's model over datasets into the folder `out`, as `jobs.train.run`, and print its progress."""
    from corpusloom.trainers.checkpoints.folders import latest
    from corpusloom.trainers.jobs.train import run

    newest = latest(storage.join(out, "checkpoints"))
    done = [int(newest[-8:]) if newest else 0]

    def on_update(step: int) -> None:
        done[0] = step

    with reporter.stage("train", config.train.steps, lambda: done[0], unit="steps", detail=f"train {config.name}"):
        told = (TrainingLines(reporter), *observers)
        return run(family, config, data, out, device=device, observers=told, on_update=on_update, profile=profile)


def step_line(report: "StepReport") -> str:
    """Return a line on the steps since the last report, with the time left at their rate."""
    parts = [
        f"step {report.step:,} of {report.steps:,}: loss {report.loss:.4f}",
        f"lr {report.lr:.3g}",
        f"{report.samples_per_second:,.0f} samples per second",
        f"data wait {report.wait:.1%}",
        f"{report.memory / 1e9:.2f} GB {report.memory_kind}",
        *([f"MFU {report.mfu:.1%}"] if report.mfu is not None else []),
        *([f"{report.skipped_steps:,} steps skipped"] if report.skipped_steps else []),
        *([f"{report.skipped:,} samples skipped"] if report.skipped else []),
        f"{time_words(report.seconds_left)} left",
    ]
    return ", ".join(parts)


def figure_words(figures: Mapping[str, float]) -> str:
    """Return an evaluation's figures in words, each with its interval."""
    words = []
    for name, value in main_figures(figures).items():
        interval = interval_words(figures, name)
        words.append(f"{name} {value:.4g}" + (f" ({interval})" if interval else ""))
    return ", ".join(words)
