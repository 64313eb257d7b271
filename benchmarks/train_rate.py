"""Images per second in training CLIP on two cores, against open_clip's own loop over the same tars, model and batch.

Each run is a process of its own; both sides alternate, and medians count. The tars hold JPEGs of about 36 KB
(400 x 300) with a caption of 8 to 16 words, which no other sample has. Both read OpenAI's vocabulary, train in float32
and have GELU. Each side runs with the numbers of loader workers and of torch threads with which it was fastest in the
first round.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any

from benchmarks.stream import pictures
from tests.trainers.stream.datasets import make_dataset

SIDE = Path(__file__).with_name("train_rate_side.py")
WORDS = (
    "a the on in of and with near under old small red blue green white black wooden stone little large quiet busy dog "
    "cat horse boat river mountain street market garden house church bridge tower window door table chair lamp book "
    "child woman man farmer painter sailor bicycle train car snow rain morning evening summer winter photograph view "
    "detail portrait flower tree leaf bird fish bread apple cup plate shirt hat beach harbour field forest path hill"
)
Figures = dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A shape of CLIP for both sides, its batch and the steps of a run."""

    name: str
    batch: int
    steps: int
    warm: int
    embed: int
    size: int
    layers: int | tuple[int, ...]
    width: int
    heads: int
    patch: int | None
    text: tuple[int, int, int]
    """Layers, width and heads of the text tower."""
    context: int = 77


CASES = (
    Case(name="ViT 6 x 192, 64 px", batch=64, steps=12, warm=4, embed=128, size=64, layers=6, width=192, heads=6,
         patch=8, text=(6, 192, 6)),
    Case(name="clip-tiny", batch=128, steps=50, warm=10, embed=64, size=32, layers=(1, 2, 2, 1),
         width=8, heads=8, patch=None, text=(1, 64, 4), context=24),
    Case(name="ViT-B/32, 224 px", batch=16, steps=8, warm=2, embed=512, size=224, layers=12, width=768, heads=12,
         patch=32, text=(12, 512, 8)),
)  # fmt: skip
SETTINGS = ((1, 1), (1, 2), (2, 1), (2, 2))
"""Loader workers (threads of ours, processes of open_clip) and torch threads that are tried."""


def make_pairs(folder: str, tars: int = 8, samples: int = 512) -> None:
    """Write tars of pairs, readable by both sides."""
    images, words, rng, rows = pictures(), WORDS.split(), random.Random(0), []
    for number in range(tars * samples):
        caption = " ".join(rng.choices(words, k=rng.randint(8, 16))) + f" {number}"
        fields = {"jpg": images[number % len(images)], "txt": caption.encode(), "json": b"{}"}
        rows.append((md5(str(number).encode()).hexdigest(), fields))
    make_dataset(folder, "pairs", rows, shards=tars)


def our_config(case: Case, vocabulary: str, workers: int) -> dict[str, Any]:
    """Return the configuration of our run."""
    layers, width, heads = case.text
    image = {"size": case.size, "layers": case.layers, "width": case.width, "heads": case.heads}
    return {
        "family": "clip",
        "model": {
            "embed_dim": case.embed,
            "activation": "gelu",
            "image": image if case.patch is None else {**image, "patch": case.patch},
            "text": {"context": case.context, "layers": layers, "width": width, "heads": heads},
        },
        "data": {"tokenizer": vocabulary},
        "train": {
            "steps": case.steps, "batch_size": case.batch, "lr": 5e-4, "warmup": 2, "weight_decay": 0.2,
            "betas": (0.9, 0.98), "eps": 1e-6, "workers": workers,
        },
    }  # fmt: skip


def peer_run(case: Case, folder: str, workers: int) -> dict[str, Any]:
    """Return open_clip's model configuration and arguments."""
    layers, width, heads = case.text
    vision: dict[str, Any] = {"image_size": case.size, "layers": case.layers, "width": case.width}
    if case.patch is None:
        vision["head_width"] = case.width * 32 // case.heads
    else:
        vision |= {"patch_size": case.patch, "head_width": case.width // case.heads}
    text = {"context_length": case.context, "vocab_size": 49408, "layers": layers, "width": width, "heads": heads}
    tars = sorted(str(path) for path in Path(folder).glob("*.tar"))
    arguments = {
        "--train-data": f"{folder}/{{00000..{len(tars) - 1:05d}}}.tar", "--dataset-type": "webdataset",
        "--train-num-samples": case.steps * case.batch, "--epochs": 1, "--warmup": 2, "--lr": 5e-4, "--beta1": 0.9,
        "--beta2": 0.98, "--eps": 1e-6, "--wd": 0.2, "--batch-size": case.batch, "--workers": workers,
        "--precision": "fp32", "--device": "cpu", "--log-every-n-steps": 10, "--name": "run",
    }  # fmt: skip
    return {
        "model": {"embed_dim": case.embed, "vision_cfg": vision, "text_cfg": text},
        "arguments": [str(part) for pair in arguments.items() for part in pair],
    }


def run_side(python: str, side: str, case: dict[str, Any], threads: int) -> Figures:
    """Run one side in its own process; return its figures."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(threads)}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(case, file)
        file.flush()
        command = [python, str(SIDE), side, file.name]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{side} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


class Comparison:
    """One case for both sides, over tars in a folder."""

    def __init__(self, case: Case, folder: str, open_clip_python: str) -> None:
        self.case, self.folder = case, folder
        self.python = {"ours": sys.executable, "open_clip": open_clip_python}
        found = "import importlib.util as u; print(u.find_spec('open_clip').submodule_search_locations[0])"
        done = subprocess.run([open_clip_python, "-c", found], capture_output=True, text=True, check=True)
        self._vocabulary = f"{done.stdout.strip()}/bpe_simple_vocab_16e6.txt.gz"

    def run(self, side: str, workers: int, threads: int) -> Figures:
        """Run a side once."""
        plain: dict[str, Any] = {
            "folder": self.folder, "warm": self.case.warm, "steps": self.case.steps, "batch": self.case.batch,
            "ours": our_config(self.case, self._vocabulary, workers),
            "open_clip": peer_run(self.case, self.folder, workers),
        }  # fmt: skip
        return run_side(self.python[side], side, plain, threads)

    def measure(self, rounds: int) -> dict[str, Figures]:
        """Return each side's medians, and its workers and threads."""
        runs: dict[str, dict[tuple[int, int], list[Figures]]] = {side: {} for side in self.python}
        for setting in SETTINGS:
            for side, found in runs.items():
                found[setting] = [self.run(side, *setting)]
        best = {side: max(found, key=lambda at: found[at][0]["images_per_s"]) for side, found in runs.items()}
        for _ in range(rounds - 1):
            for side, found in runs.items():
                found[best[side]].append(self.run(side, *best[side]))
        medians = {}
        for side, (workers, threads) in best.items():
            kept = runs[side][workers, threads]
            medians[side] = {name: statistics.median(one[name] for one in kept) for name in kept[0]}
            medians[side] |= {"workers": workers, "threads": threads}
        return medians


def rates(open_clip_python: str, rounds: int) -> Iterator[tuple[str, dict[str, Figures]]]:
    """Yield (case, each side's figures)."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with tempfile.TemporaryDirectory() as folder:
        make_pairs(folder)
        for case in CASES:
            yield case.name, Comparison(case, folder, open_clip_python).measure(rounds)
