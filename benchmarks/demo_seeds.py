"""Trains the demo's Flamingo with several seeds: `python -m benchmarks.demo_seeds --demo demo [--seeds 0 1 2]`.

It takes datasets and CLIP of a finished `loom demo`, and prints the figures of its gates per seed, their mean and
deviation, and the CPU seconds of each training. A run that is finished is not trained again.
"""

import json
import statistics
from dataclasses import dataclass

import tyro

from benchmarks.build import cpu
from corpusloom.pipelines.cli.demo.folder import DemoFolder
from corpusloom.pipelines.cli.demo.lanes import run_of
from corpusloom.pipelines.cli.run_training import run_training
from corpusloom.pipelines.demo.grammar import attributes_of
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.trainers.flamingo.prompts.same_page import TRIALS, page_figures
from corpusloom.trainers.training.config import load_config

SHOWN = ("colour_named", "shape_named", *TRIALS, "f1_gain", "right_image_likelier")


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkConfig:
    """Folder of the demo, seeds, and changes of the configuration."""

    demo: str = "demo"
    """Folder of a finished `loom demo`."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the training."""
    set: tuple[str, ...] = ()
    """Changes of flamingo-tiny, KEY=VALUE."""
    out: str = "seeds"
    """Folder of the runs, in that of the demo."""
    json: bool = False
    """Print one JSON object per seed."""


def measure(config: BenchmarkConfig, seed: int) -> dict[str, float]:
    """Train with one seed and return the figures."""
    demo = DemoFolder(config.demo, Reporter(), quick=False, port=1)
    name, data, changes = run_of(demo, "flamingo")
    out, loaded = demo.path(config.out, str(seed)), load_config(name, (*changes, f"train.rng_seed={seed}", *config.set))
    trained = cpu(lambda: run_training("flamingo", loaded, data, out, demo.reporter))
    return page_figures(out, demo.path("datasets", "exam"), attributes_of) | {"cpu_seconds": trained}


def main(config: BenchmarkConfig) -> None:
    """Print a line per figure: one value per seed, mean and deviation."""
    found = [measure(config, seed) for seed in config.seeds]
    if config.json:
        for seed, figures in zip(config.seeds, found, strict=True):
            print(json.dumps({"seed": seed, **figures}))
        return
    for name in (*SHOWN, "cpu_seconds"):
        values = [figures[name] for figures in found]
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        each = "  ".join(f"{value:8.3f}" for value in values)
        print(f"{name:24} {each}  mean {statistics.mean(values):.3f}, deviation {deviation:.3f}")


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
