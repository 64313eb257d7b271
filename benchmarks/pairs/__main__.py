"""Measures pairs: `OMP_NUM_THREADS=1 python -m benchmarks.pairs [--only matching ...]`, or `make bench-pairs`.

Prints each measure with its bounds, or JSON lines with --json; exits with 1 if a bound is missed. Rates are per CPU
second of one process; the sides of a comparison get the same inputs and run in turns.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import cast

import tyro

from benchmarks.bounded_rows import Row, show
from benchmarks.pairs.config import PairsConfig


def rows_of(part: str) -> Callable[[PairsConfig], Iterator[Row]]:
    """Return the function `rows` of a part's module; the other modules and their packages are not imported."""
    return cast(Callable[[PairsConfig], Iterator[Row]], importlib.import_module(f"benchmarks.pairs.{part}").rows)


def main(config: PairsConfig) -> int:
    """Measure and print; 1 if a bound is missed."""
    missed = False
    for part in config.only:
        for row in rows_of(part)(config):
            show(row, as_json=config.json, width=56)
            missed |= row.holds is False
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(PairsConfig, description=__doc__)))
