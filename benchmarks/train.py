"""Measures training: `python -m benchmarks.train [--only steps ...] [--vilbert CHECKOUT] [--open-flamingo CHECKOUT]
[--open-clip-python PYTHON]`.

Prints a table of each measure with its bounds, or JSON lines with --json. Steps are ratios of least CPU seconds, ours
against a peer's in one process on one thread. The checkouts are of github.com/jiasenlu/vilbert_beta and
github.com/mlfoundations/open_flamingo; the second needs the packages einops and einops-exts. PYTHON is that of an
environment with open_clip_torch[training].
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro

from benchmarks import train_memory, train_rate, train_steps, train_waiting
from benchmarks.bounded_rows import Row, show

Part = Literal["steps", "rate", "data", "checkpoints", "shards", "dry-run", "chunks"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkConfig:
    """Parts to measure, and checkouts of the peers."""

    only: tuple[Part, ...] = ("steps", "rate", "data", "checkpoints", "shards", "dry-run", "chunks")
    """Parts to measure."""
    vilbert: Path | None = None
    """Checkout of jiasenlu/vilbert_beta."""
    open_flamingo: Path | None = None
    """Checkout of mlfoundations/open_flamingo."""
    open_clip_python: str | None = None
    """Python of an environment with open_clip_torch[training] and the torch of ours."""
    rounds: int = 7
    """Rounds of which the least time counts."""
    json: bool = False
    """Print one JSON object per measure."""


def steps(config: BenchmarkConfig) -> Iterator[Row]:
    """Yield the step of each family against its peer: their CPU seconds over ours."""
    bounds = {"CLIP": (1.0, 1.1), "ViLBERT": (1.2, 1.4), "Flamingo": (1.0, 1.1)}
    for name, pair in train_steps.pairs(config.vilbert, config.open_flamingo):
        bound, aim = bounds[name.split(" ", 1)[0]]
        if isinstance(pair, str):
            yield Row(f"step, {name}", None, bound, aim, False, f"not measured: pass {pair}")
            continue
        ours, theirs = train_steps.cpu_seconds(pair, config.rounds)
        note = f"{pair.note}: {ours:.3f} s, theirs {theirs:.3f} s"
        yield Row(f"step, {name}", theirs / ours, bound, aim, False, note)


def rate(config: BenchmarkConfig) -> Iterator[Row]:
    """Yield the images per second of training CLIP over those of open_clip's loop."""
    if config.open_clip_python is None:
        yield Row("images per second, CLIP / open_clip", None, 1.0, 1.5, False, "not measured: pass --open-clip-python")
        return
    for name, sides in train_rate.rates(config.open_clip_python, max(1, config.rounds // 2)):
        ours, theirs = sides["ours"], sides["open_clip"]
        note = (
            f"{ours['images_per_s']:.1f} / s with {ours['cpu_ms']:.1f} CPU ms per image, "
            f"theirs {theirs['images_per_s']:.1f} / s with {theirs['cpu_ms']:.1f}"
        )
        yield Row(f"images per second, {name}", ours["images_per_s"] / theirs["images_per_s"], 1.0, 1.5, False, note)


def data(config: BenchmarkConfig) -> Iterator[Row]:
    """Yield the share of time that clip-tiny waits for data."""
    value = train_waiting.data_wait(max(1, config.rounds // 2))
    yield Row("data wait of clip-tiny, share", value, 0.05, 0.02, True, "2 cores, no cache of decoded images")


def checkpoints(config: BenchmarkConfig) -> Iterator[Row]:
    """Yield what a save costs."""
    stall = train_waiting.save_stall(config.rounds)
    yield Row("checkpoint: stands still / written", stall, 0.2, 0.05, True, "600 MB of state")
    for kind, share in train_waiting.save_memory().items():
        note = "share of the state, above the kept buffer" if kind == "snapshot" else "share of the state"
        yield Row(f"checkpoint: peak memory, {kind}", share, 0.1, 0.1, True, note)


def shards(config: BenchmarkConfig) -> Iterator[Row]:
    """Yield a rank's share of the state of a run that is sharded over four."""
    found, allowed = train_memory.rank_shares()
    for use, share in found.items():
        yield Row(f"share of one of 4 ranks: {use}", share, allowed[use], 0.25, True, "at most 1/4 and one block")


def dry_runs(config: BenchmarkConfig) -> Iterator[Row]:
    """Yield the error of the dry run's peak memory."""
    for family, error in train_memory.dry_run_errors().items():
        yield Row(f"dry run / measured - 1, {family}", abs(error), 0.1, 0.05, True, "torch's allocations in a step")


def chunks(config: BenchmarkConfig) -> Iterator[Row]:
    """Yield the memory of a step of CLIP in chunks over that of a step of one chunk."""
    whole, one = train_memory.chunks_memory()
    note = f"ViT 6 x 192, 64 px: 4,096 pairs in chunks of 128 {whole:.0f} MiB, 128 pairs {one:.0f} MiB"
    yield Row("GradCache: memory / that of a chunk", whole / one, 1.5, 1.2, True, note)


PARTS: dict[str, Callable[[BenchmarkConfig], Iterator[Row]]] = {
    "steps": steps,
    "rate": rate,
    "data": data,
    "checkpoints": checkpoints,
    "shards": shards,
    "dry-run": dry_runs,
    "chunks": chunks,
}


def main(config: BenchmarkConfig) -> int:
    """Measure and print; 1 if a bound is missed."""
    torch.set_num_threads(1)
    rows = []
    for part in config.only:
        for row in PARTS[part](config):
            show(row, as_json=config.json)
            rows.append(row)
    return int(any(row.holds is False for row in rows))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(BenchmarkConfig)))
