"""ViLBERT's claims in small: `python -m benchmarks.claims_vilbert [--only data ...] [--seeds 2] [--quick]`.

ViLBERTs are pre-trained on captioned scenes of coloured shapes, whose regions a noisy detector gives, and fine-tuned on
questions, choices with rationales, referring expressions and retrieval in the formats of VQA v2, VCR, RefCOCO and
Karpathy's splits. All are tested on scenes that none has seen. Two runs train at a time, each with one thread; claims
share runs. A killed benchmark goes on where it was. Prints a table for docs/training.md, or JSON lines with --json.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.claims_common.report import report, run_command
from benchmarks.claims_vilbert import plan
from benchmarks.claims_vilbert.bench import Bench
from benchmarks.claims_vilbert.claims import rows_of
from benchmarks.claims_vilbert.table import table

Claim = Literal["pretraining", "streams", "zero-shot", "data"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimsConfig:
    """Claims to test, and how long."""

    only: tuple[Claim, ...] = ("pretraining", "streams", "zero-shot", "data")
    """Claims to test."""
    seeds: int = 2
    """Runs per model and task."""
    quick: bool = False
    """Try the benchmark with a small world and few steps; its figures mean nothing."""
    minutes: float = 40.0
    """Time after which training stops; the same command then goes on."""
    processes: int = 2
    """Training runs at a time, each with one thread."""
    out: Path = Path(".claims-vilbert")
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
