"""CLIP's claims in small: `python -m benchmarks.claims_clip [--only transfer ...] [--seeds 3] [--minutes 30]`.

A CLIP is trained on captioned emoji of three artists and names those of a fourth, zero-shot among all of its names.
Each claim compares runs over the same seeds. Two runs train at a time, each with one thread; claims share runs. A
killed benchmark goes on where it was. Prints a table for docs/training.md, or JSON lines with --json.

The pictures come from the npm packages @iconify-json/ARTIST: the first call needs npm, pip and the network.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.claims_clip import claims
from benchmarks.claims_clip.emoji import default_cache
from benchmarks.claims_common.report import report, run_command

Claim = Literal["transfer", "ensemble", "batch", "filter", "sigmoid"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimsConfig:
    """Claims to test, and how long."""

    only: tuple[Claim, ...] = ("transfer", "ensemble", "batch", "filter", "sigmoid")
    """Claims to test."""
    unseen: str = "emojione"
    """Artist on whose pictures every model is tested: emojione, noto, openmoji or twemoji; the others train."""
    seeds: int = 3
    """Runs per variant."""
    minutes: float = 30.0
    """Time after which training stops; the same command then goes on."""
    processes: int = 2
    """Training runs at a time, each with one thread."""
    share: float = 1.0
    """Share of the steps of every run, for a quick trial; figures need all of them."""
    out: Path = Path(".claims-clip")
    """Folder of the datasets and runs."""
    cache: Path = dataclasses.field(default_factory=default_cache)
    """Folder of the packages and rendered pictures."""
    json: bool = False
    """Print one JSON object per row."""


def main(config: ClaimsConfig) -> int:
    """Test the claims; return 3 if time ran out."""
    bench = claims.Bench(
        unseen=config.unseen, seeds=config.seeds, minutes=config.minutes, processes=config.processes,
        share=config.share, out=config.out, cache=config.cache,
    )  # fmt: skip
    return report(
        lambda: [row for name in config.only for row in claims.CLAIMS[name](bench)],
        lambda rows: claims.table(rows, bench),
        minutes=config.minutes,
        as_json=config.json,
    )


if __name__ == "__main__":
    run_command(main, ClaimsConfig, __doc__)
