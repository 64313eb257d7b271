"""The training loop of all families: steps, and between them reports, checkpoints and evaluations."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from corpusloom.trainers.checkpoints.folders import complete_steps, step_folder
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.batches import SkippedSamples, skipped_samples
from corpusloom.trainers.training.checkpoint import Checkpointer
from corpusloom.trainers.training.config import ParallelConfig, TrainConfig
from corpusloom.trainers.training.numerics import own_torch_state
from corpusloom.trainers.training.observe.guard import SkippedStep, finite_weights
from corpusloom.trainers.training.observe.interrupts import held_interrupts
from corpusloom.trainers.training.observe.reports import Observer, Observers, StepReport, describe_start
from corpusloom.trainers.training.step import Run, prepare_run
from corpusloom.trainers.training.task import Evaluate, TrainingTask


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainResult:
    """Result of a training run."""

    steps: int
    resumed_at: int
    """Step from which the run resumed; 0 for a fresh run."""
    report: StepReport | None
    """Last report; None if no step was left."""
    seconds: float
    evaluation: dict[str, float]
    """Figures of the last evaluation."""
    checkpoint: str | None
    """Folder of the last checkpoint."""
    skipped: SkippedSamples
    """Samples of all ranks that could not be used."""
    skipped_steps: int
    """Steps since the run began or resumed whose update was left out."""


def train(
    task: TrainingTask,
    config: TrainConfig,
    parallel: ParallelConfig | None = None,
    *,
    device: torch.device | None = None,
    checkpoint: Checkpointer | None = None,
    observer: Observer | None = None,
    on_update: Callable[[int], None] = lambda _: None,
    on_part: Callable[[int, str], None] = lambda _, __: None,
    name: str = "",
) -> TrainResult:
    """Train until `config.steps`, from the latest checkpoint if there is one.

    The model is on `device` (by default the CPU), or on the CPU if the ranks divide it. Every rank calls this with its
    own stream. `observer` receives the events of rank 0. On every rank `on_update` receives the number of steps that
    are done, at the start and after each step, and `on_part` a step and the name of its part, before the part begins.
    If the model has a method `after_step()`, it is called after each update. Ctrl-C ends a run of one rank after the
    current step, with a checkpoint. Raises LoomError after `max_skipped_steps` skipped steps in a row.
    """
    began = time.perf_counter()
    run = prepare_run(
        task,
        config,
        parallel or ParallelConfig(),
        device or torch.device("cpu"),
        on_part=on_part,
    )
    start = checkpoint.restore(run.model, run.optimizer, run, run.averages) if checkpoint else 0
    run.guard.good_step = start - 1
    told = observer if observer is not None and distributed.rank() == 0 else Observers()
    course = _Course(run, task.evaluate, checkpoint, told)
    told.start(describe_start(run.model, run.stream, config, name=name, device=run.device, resumed_at=start))
    alone = checkpoint is not None and distributed.world_size() == 1
    with (
        own_torch_state(config.threads, run.device),
        held_interrupts(alone) as interrupted,
        checkpoint or contextlib.nullcontext(),
    ):
        on_update(start)
        if 0 < start < config.steps:
            course.evaluate_if_due(start)
        for step in range(start, config.steps):
            skipped = run.update(step)
            if skipped is not None:
                course.note_skipped(skipped)
            on_update(step + 1)
            course.after_step(step + 1, interrupted())
            if interrupted():
                raise KeyboardInterrupt
        if start == config.steps:
            course.evaluate_if_due(start)
    return TrainResult(
        steps=config.steps,
        resumed_at=start,
        report=course.report,
        seconds=time.perf_counter() - began,
        evaluation=course.evaluation,
        checkpoint=course.saved,
        skipped=skipped_samples(run.stream),
        skipped_steps=run.guard.skipped,
    )


class _Course:
    """Reports, checkpoints and evaluations between the steps of a run."""

    def __init__(
        self, run: Run, evaluate: Evaluate | None, checkpoint: Checkpointer | None, observer: Observer
    ) -> None:
        self._run, self._evaluate, self._checkpoint, self._observer = run, evaluate, checkpoint, observer
        self.report: StepReport | None = None
        self.evaluation: dict[str, float] = {}
        self.saved = checkpoint.latest() if checkpoint else None

    def after_step(self, done: int, interrupted: bool) -> None:
        """Report, save and evaluate, as far as it is due after `done` steps.

        Nothing is saved while steps are being skipped, since the weights may be the reason.
        """
        config, last = self._run.config, done == self._run.config.steps
        regular = done % config.checkpoint_every == 0 and not self._run.guard.in_a_row
        due = self._checkpoint is not None and (last or regular or interrupted)
        if last or due or done % config.log_every == 0:
            self.report = self._run.report(done)
            self._observer.report(self.report)
        if due:
            self._save(done, wait=interrupted)
        if not interrupted and self.evaluate_if_due(done) and not due:
            self._save(done)  # the best weights so far

    def _save(self, done: int, *, wait: bool = False) -> None:
        assert self._checkpoint is not None
        self._run.on_part(done, "checkpoint")
        self.saved = self._checkpoint.save(
            done, self._run.model, self._run.optimizer, self._run, self._run.averages, wait=wait
        )
        self._observer.saved(done, self.saved)

    def evaluate_if_due(self, done: int) -> bool:
        """Evaluate after the last step and every `evaluate_every` steps; return whether the figures are the best."""
        every, last = self._run.config.evaluate_every, done == self._run.config.steps
        if self._evaluate is None or not (last or (every and done % every == 0)):
            return False
        self._run.on_part(done, "evaluation")
        with self._run.stopwatch.paused():
            self.evaluation = self._run.evaluate(self._evaluate)
        self._observer.evaluation(done, self.evaluation)
        return self._checkpoint is not None and self._checkpoint.mark_best(done, self.evaluation)

    def note_skipped(self, skipped: SkippedStep) -> None:
        """Report a skipped step; LoomError after too many in a row, which names the last sound checkpoint."""
        self._observer.note(str(skipped))
        if self._run.guard.is_exhausted:
            raise self._run.guard.error(skipped, self._last_sound())

    def _last_sound(self) -> str | None:
        """Return the newest checkpoint after which a step went well, or that has the present weights, if finite."""
        if self._checkpoint is None:
            return None
        self._checkpoint.settle()
        sound = self._run.guard.good_step + int(finite_weights(self._run.model))
        good = [step for step in complete_steps(self._checkpoint.folder) if step <= sound]
        return step_folder(self._checkpoint.folder, good[-1]) if good else None
