"""Runs and figures of the benchmark, made when a claim first needs them and kept in its folder.

Shapes: S seeds, E scenes of the exam.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from benchmarks.claims_common.bench import ClaimsBench
from benchmarks.claims_common.figures import Values, kept, measure_each
from benchmarks.claims_common.runs import Run, cpu_seconds, train_each
from benchmarks.claims_vilbert import floor, measure, plan
from benchmarks.claims_vilbert.plan import Pretrained, Size, Task, World

Wanted = Sequence[tuple[Pretrained, Task | None]]
"""Models and the tasks they are fine-tuned for; None: the pre-training alone, whose alignment head is measured."""


@dataclass(kw_only=True)
class Bench(ClaimsBench):
    """World, trained runs and their figures."""

    size: Size

    @cached_property
    def world(self) -> World:
        """Return the scenes, with datasets and annotations written where they are missing."""
        return plan.write_world(self.size, self.out / "datasets")

    def pretrainings(self, given: Pretrained) -> list[Run]:
        """Return the pre-trainings of a model, one per seed; none for random weights."""
        seeds = range(self.seeds) if given.share else ()
        return [plan.pretraining_run(given, self.size, self.world, seed) for seed in seeds]

    def runs_of(self, given: Pretrained, task: Task | None) -> list[Run]:
        """Return the runs that are measured, one per seed."""
        begun = self.pretrainings(given)
        if task is None:
            return begun
        inits = [run.folder(self.folder) for run in begun] or [None] * self.seeds
        return [plan.task_run(task, given, self.size, self.world, init, seed) for seed, init in enumerate(inits)]

    def prepare(self, wanted: Wanted) -> None:
        """Train and measure what is missing: first the pre-trainings, then the tasks."""
        begun = {given.name: self.pretrainings(given) for given, _ in wanted if given.share}
        self._train(begun)
        self._train({f"{given} {task}": self.runs_of(given, task) for given, task in wanted if task is not None})
        jobs = [partial(self.values_of, run, task) for given, task in wanted for run in self.runs_of(given, task)]
        measure_each(jobs, self.processes)

    def _train(self, runs: Mapping[str, Sequence[Run]]) -> None:
        if runs:
            train_each(runs, self.folder, self.processes, self.seconds_left)

    def values_of(self, run: Run, task: Task | None) -> Values:
        """Return the figures of a run on the exam, (E,) each."""
        folder, world = run.folder(self.folder), self.world
        if task is None or task.name == plan.RETRIEVAL:
            return kept(folder / "exam.npz", partial(measure.retrieval_values, folder, world.exam_captions))
        files = world.annotations[task.name]
        make = partial(measure.task_values, folder, task.name, world.tasks, files, task.exam_split)
        return kept(folder / "exam.npz", make)

    def values(self, given: Pretrained, task: Task | None, figure: str) -> np.ndarray:
        """Return a figure of a model, (S, E)."""
        return np.stack([self.values_of(run, task)[figure] for run in self.runs_of(given, task)])

    def floor(self, task: Task | None, figure: str) -> np.ndarray:
        """Return a figure of the floor, the same for each seed, (S, E)."""
        world = self.world
        found = (
            floor.retrieval_floor(world.pretraining, world.exam)
            if task is None
            else floor.FLOORS[task.name](world.training, world.exam)
        )
        return np.repeat(found[figure][None], self.seeds, 0)

    def seconds(self, given: Pretrained, task: Task | None) -> float:
        """Return the mean CPU seconds of a model's runs."""
        return float(np.mean([cpu_seconds(run, self.folder) for run in self.runs_of(given, task)]))
