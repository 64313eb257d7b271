"""Times a step of ViLBERT's pre-training against the public code: `python -m benchmarks.vilbert_step --peer CHECKOUT`.

CHECKOUT is of github.com/facebookresearch/vilbert-multi-task, or of github.com/jiasenlu/vilbert_beta. Both models have
the published shape and objective and get the same batch; their steps (forward, losses, backward, AdamW) alternate in
one process.
"""

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro

from benchmarks.train_steps import alternate, vilbert_pair

LEAST, AIM = 1.2, 1.5
"""Bound and aim of their least CPU seconds over ours."""
Captions = Literal["full", "real"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StepConfig:
    """Checkout, batches and threads."""

    peer: Path
    """Checkout of the public code."""
    captions: tuple[Captions, ...] = ("full", "real")
    """Batches: captions of 36 tokens, or of the lengths of Conceptual Captions padded to 36 tokens."""
    rows: int = 8
    """Pairs of a batch."""
    threads: int = 1
    """Torch threads of both sides."""
    rounds: int = 5
    """Rounds that count."""


def measure(config: StepConfig, captions: Captions) -> float:
    """Print the seconds of both sides on one batch and return the ratio of the least CPU seconds."""
    pair = vilbert_pair(config.peer, config.rows, full=captions == "full")
    ours, theirs = alternate(pair, config.rounds)
    print(f"{pair.note}; threads: {config.threads}, rounds: {config.rounds}")
    for name in ("cpu", "wall"):
        for kind, reduce in (("least", min), ("median", statistics.median)):
            own, other = reduce(getattr(ours, name)), reduce(getattr(theirs, name))
            print(f"  {kind:6} {name:4} seconds: ours {own:7.3f}, theirs {other:7.3f}, ratio {other / own:.2f}")
    return min(theirs.cpu) / min(ours.cpu)


def main(config: StepConfig) -> int:
    """Measure each batch; return 1 if a ratio is below the bound."""
    torch.set_num_threads(config.threads)
    ratios = [measure(config, captions) for captions in config.captions]
    print(f"bound {LEAST}, aim {AIM}")
    return int(min(ratios) < LEAST)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(StepConfig, description=__doc__)))
