"""Runs and figures of the benchmark, made when a claim first needs them and kept in its folder.

Shapes: S seeds, P pages, G gated blocks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from benchmarks.claims_common.bench import ClaimsBench
from benchmarks.claims_common.figures import Values, kept, measure_each
from benchmarks.claims_common.runs import Run, cpu_seconds, train, train_each
from benchmarks.claims_flamingo import measure, plan
from benchmarks.claims_flamingo.plan import Datasets, Size, Variant
from corpusloom.schemas.manifest import read_manifest


@dataclass(kw_only=True)
class Bench(ClaimsBench):
    """World, trained runs and their figures."""

    size: Size

    @cached_property
    def data(self) -> Datasets:
        """Return the datasets, written where they are missing."""
        return plan.write_datasets(self.size, self.out / "datasets")

    @cached_property
    def clip(self) -> Path:
        """Return the folder of the frozen CLIP's run, trained if it is missing."""
        run = plan.clip_run(self.size, self.data)
        train([run], self.folder, 1, self.seconds_left)
        return run.folder(self.folder)

    def runs_of(self, variant: Variant) -> list[Run]:
        """Return a variant's runs, one per seed."""
        return [plan.run_of(variant, self.size, self.data, self.clip, seed) for seed in range(self.seeds)]

    def prepare(self, variants: Sequence[Variant], *, pool: bool) -> None:
        """Train and measure the runs of variants; with `pool` the base runs with shots from the training pairs, too."""
        wanted = {variant.name: self.runs_of(variant) for variant in variants}
        folders = train_each(wanted, self.folder, self.processes, self.seconds_left)
        jobs = [partial(self.same_page, variant, folder) for variant in variants for folder in folders[variant.name]]
        jobs += [partial(self.from_pool, folder) for folder in folders[plan.BASE.name]] if pool else []
        measure_each(jobs, self.processes)

    def same_page(self, variant: Variant, folder: Path) -> Values:
        """Return the figures of a run on the exam's pages."""
        data = self.data
        path = folder / f"same-page-{read_manifest(data.exam).digest[:8]}.npz"
        return kept(path, lambda: measure.same_page(folder, data.exam, variant.trials))

    def from_pool(self, folder: Path) -> Values:
        """Return the figures of a run with shots from the training pairs."""
        data = self.data
        path = folder / f"pool-{read_manifest(data.exam).digest[:8]}.npz"
        return kept(path, lambda: measure.from_pool(folder, data.exam, data.pairs))

    def values(self, variant: Variant, figure: str) -> np.ndarray:
        """Return a figure of a variant, (S, P): means over the pictures of a page, which are not independent."""
        return self._gather(variant, figure, partial(self.same_page, variant))

    def pool_values(self, figure: str) -> np.ndarray:
        """Return a figure of the base run with shots from the training pairs, (S, P)."""
        return self._gather(plan.BASE, figure, self.from_pool)

    def gates(self, when: str) -> np.ndarray:
        """Return |tanh gate| of the base runs `before` or `after` training, (S, G, 2)."""
        folders = [run.folder(self.folder) for run in self.runs_of(plan.BASE)]
        return np.stack([kept(run / "gates.npz", partial(measure.gates, run))[when] for run in folders])

    def seconds(self, variant: Variant) -> float:
        """Return the mean CPU seconds of a variant's runs."""
        return float(np.mean([cpu_seconds(run, self.folder) for run in self.runs_of(variant)]))

    def _gather(self, variant: Variant, figure: str, read: Callable[[Path], Mapping[str, np.ndarray]]) -> np.ndarray:
        return np.stack([read(run.folder(self.folder))[figure].mean(1) for run in self.runs_of(variant)])
