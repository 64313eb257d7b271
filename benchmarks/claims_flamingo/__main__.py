"""Flamingo's claims in small: `python -m benchmarks.claims_flamingo [--only shots ...] [--seeds 2] [--quick]`.

Flamingos are trained on pages and pairs of the bundled world's drawings, over one frozen CLIP and the bundled language
model, and describe pictures of pages that none has seen. Each claim compares runs over the same seeds. Two runs train
at a time, each with one thread; claims share runs. A killed benchmark goes on where it was. Prints a table for
docs/training.md, or JSON lines with --json.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.claims_common.report import report, run_command
from benchmarks.claims_flamingo import plan
from benchmarks.claims_flamingo.bench import Bench
from benchmarks.claims_flamingo.claims import rows_of
from benchmarks.claims_flamingo.table import table

Claim = Literal["shots", "image", "gates", "accumulation", "pages", "tanh", "resampler", "rices"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimsConfig:
    """Claims to test, and how long."""

    only: tuple[Claim, ...] = ("shots", "image", "gates", "accumulation", "pages", "tanh", "resampler", "rices")
    """Claims to test."""
    seeds: int = 2
    """Runs per variant."""
    quick: bool = False
    """Try the benchmark with a small world and few steps; its figures mean nothing."""
    minutes: float = 45.0
    """Time after which training stops; the same command then goes on."""
    processes: int = 2
    """Training runs at a time, each with one thread."""
    out: Path = Path(".claims-flamingo")
    """Folder of the datasets and runs."""
    json: bool = False
    """Print one JSON object per row."""


def main(config: ClaimsConfig) -> int:
    """Test the claims; return 3 if time ran out."""
    bench = Bench(
        size=plan.QUICK if config.quick else plan.FULL, seeds=config.seeds, minutes=config.minutes,
        processes=config.processes, out=config.out,
    )  # fmt: skip
    return report(
        lambda: rows_of(bench, config.only),
        lambda rows: table(rows, bench, config.only),
        minutes=config.minutes,
        as_json=config.json,
    )


if __name__ == "__main__":
    run_command(main, ClaimsConfig, __doc__)
