"""Trains a model of the demo with several seeds: `python -m benchmarks.demo_seeds flamingo --demo demo`.

It takes datasets and CLIP of a finished `loom demo`, and prints the figures of the model's gates per seed, their mean
and deviation, and the CPU seconds of each training. A run that is finished is not trained again.
"""

import json
import statistics
from dataclasses import dataclass
from typing import Literal

import tyro

from benchmarks.build import cpu
from corpusloom.pipelines.cli.demo.folder import DemoFolder
from corpusloom.pipelines.cli.demo.lanes import run_of
from corpusloom.pipelines.cli.run_training import run_training
from corpusloom.pipelines.demo.grammar import attributes_of
from corpusloom.pipelines.demo.sites import EXAM_PICTURES
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.flamingo.prompts.same_page import TRIALS, page_figures
from corpusloom.trainers.jobs.evaluate import evaluate
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.vilbert.retrieval.floor import floor_of_retrieval

SHOWN = {
    "flamingo": ("colour_named", "shape_named", *TRIALS, "f1_gain", "right_image_likelier"),
    "vilbert": ("r1", "r5", "r10", "floor_r1"),
}
"""Family -> the figures that are printed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkConfig:
    """Model, folder of the demo, seeds, and changes of the configuration."""

    family: tyro.conf.Positional[Literal["flamingo", "vilbert"]]
    """Model to train."""
    demo: str = "demo"
    """Folder of a finished `loom demo`."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the training."""
    set: tuple[str, ...] = ()
    """Changes of the model's configuration, KEY=VALUE."""
    out: str = "seeds"
    """Folder of the runs, in that of the demo."""
    json: bool = False
    """Print one JSON object per seed."""


def measure(config: BenchmarkConfig, seed: int) -> dict[str, float]:
    """Train with one seed and return the figures."""
    demo = DemoFolder(config.demo, Reporter(), quick=False, port=1)
    name, data, changes = run_of(demo, config.family)
    out = demo.path(config.out, f"{config.family}-{seed}")
    loaded = load_config(name, (*changes, f"train.rng_seed={seed}", *config.set))
    trained = cpu(lambda: run_training(config.family, loaded, data, out, demo.reporter))
    return FIGURES[config.family](demo, out) | {"cpu_seconds": trained}


def flamingo_figures(demo: DemoFolder, run: str) -> dict[str, float]:
    """Return the figures of a Flamingo's captions on the pages of the exam."""
    return page_figures(run, demo.path("datasets", "exam"), attributes_of)


def vilbert_figures(demo: DemoFolder, run: str) -> dict[str, float]:
    """Return the figures of a ViLBERT's retrieval among the images of the exam, and those of the linear floor."""
    known, asked = demo.path("datasets", "regions"), demo.path("datasets", "exam-regions")
    found = evaluate("retrieval", run, asked, EvaluationSettings(limit=EXAM_PICTURES)).figures
    floor = floor_of_retrieval(known, asked, EXAM_PICTURES)
    return dict(found) | {f"floor_{name}": value for name, value in floor.items()}


FIGURES = {"flamingo": flamingo_figures, "vilbert": vilbert_figures}


def main(config: BenchmarkConfig) -> None:
    """Print a line per figure: one value per seed, mean and deviation."""
    found = [measure(config, seed) for seed in config.seeds]
    if config.json:
        for seed, figures in zip(config.seeds, found, strict=True):
            print(json.dumps({"seed": seed, **figures}))
        return
    for name in (*SHOWN[config.family], "cpu_seconds"):
        values = [figures[name] for figures in found]
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        each = "  ".join(f"{value:8.3f}" for value in values)
        print(f"{name:24} {each}  mean {statistics.mean(values):.3f}, deviation {deviation:.3f}")


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
