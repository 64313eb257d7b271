"""Compares the reading of regions with the public code's LMDB reader, on the same features:

    python -m benchmarks.vilbert_reading --peer CHECKOUT --peer-python PYTHON

CHECKOUT is of github.com/facebookresearch/vilbert-multi-task, PYTHON that of an environment with lmdb, numpy and
tensorpack. A sample has 36 boxes, features of 2,048 values and probabilities of 1,601 classes; ours also has the JPEG.
`batches` are those of the pre-training; `features` are read as by the tasks, whose LMDB has no probabilities. Each side
is one process with one thread; sides alternate, and medians count.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from corpusloom.pipelines.stages.regions.arrays import encode_regions
from tests.trainers.stream.datasets import make_dataset

SIDE = Path(__file__).with_name("vilbert_reading_side.py")
LEAST, AIM = 1.0, 2.0
"""Bound and aim of our samples per second over theirs."""
WIDTH, HEIGHT = 500, 400
Figures = dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadingConfig:
    """Checkout, its Python, and size."""

    peer: Path
    """Checkout of facebookresearch/vilbert-multi-task."""
    peer_python: str
    """Python of an environment with lmdb, numpy and tensorpack."""
    kinds: tuple[Literal["batches", "features"], ...] = ("batches", "features")
    """Readers to compare."""
    samples: int = 2000
    """Samples of the dataset."""
    rounds: int = 5
    """Rounds of which the medians count."""


def samples(count: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield random samples of regions with the published sizes, and an image of 20 KB."""
    for number in range(count):
        rng = np.random.default_rng(number)
        low = rng.uniform(0, 200, (36, 2))
        boxes = np.concatenate([low, low + rng.uniform(10, 200, (36, 2))], 1).astype(np.float32)
        features = rng.random((36, 2048), np.float32).astype(np.float16)
        probabilities = rng.random((36, 1601), np.float32)
        probabilities /= probabilities.sum(1, keepdims=True)
        info = {"regions": {"image_width": WIDTH, "image_height": HEIGHT}}
        yield (
            md5(str(number).encode()).hexdigest(),
            {
                "jpg": rng.bytes(20_000),
                "json": json.dumps(info).encode(),
                "regions.npz": encode_regions(boxes, features, probabilities.astype(np.float16)),
                "txt": b"a dog on the grass",
            },
        )


def run_side(python: str, *arguments: str) -> Figures:
    """Run one side in its own process and return its figures."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([python, str(SIDE), *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{arguments[0]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def measure(config: ReadingConfig, kind: str, folder: str) -> float:
    """Print the medians of both sides and return the ratio of samples per second."""
    runs: dict[str, list[Figures]] = {"ours": [], "public": []}
    for _ in range(config.rounds):
        runs["ours"].append(run_side(sys.executable, "ours", kind, f"{folder}/tars"))
        lmdb = f"{folder}/{kind}.lmdb"
        runs["public"].append(run_side(config.peer_python, "public", kind, f"{folder}/tars", lmdb, str(config.peer)))
    ratios = {}
    for key, unit in (("per_s", "second"), ("per_cpu_s", "CPU second")):
        own, other = (statistics.median(run[key] for run in runs[side]) for side in ("ours", "public"))
        ratios[key] = own / other
        print(f"{kind}: samples per {unit}: ours {own:,.0f}, theirs {other:,.0f}, ratio {ratios[key]:.2f}")
    return ratios["per_s"]


def main(config: ReadingConfig) -> int:
    """Measure each reader; return 1 if a ratio is below the bound."""
    with tempfile.TemporaryDirectory() as folder:
        make_dataset(f"{folder}/tars", "regions", samples(config.samples))
        ratios = [measure(config, kind, folder) for kind in config.kinds]
    print(f"bound {LEAST}, aim {AIM}")
    return int(min(ratios) < LEAST)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(ReadingConfig, description=__doc__)))
