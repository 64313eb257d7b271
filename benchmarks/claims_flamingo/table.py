"""Prints the rows of the claims as a table, the opening of the gates, and the CPU seconds of the runs."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.claims_common.rows import Row, table_of
from benchmarks.claims_flamingo.bench import Bench
from benchmarks.claims_flamingo.claims import variants_of

BAR = 40
"""Characters of a gate that is wholly open."""


def table(rows: Sequence[Row], bench: Bench, names: Sequence[str]) -> str:
    """Return the rows in Markdown; with the claim on gates a bar per gate; a line of CPU seconds per variant."""
    size = f"Seeds: {bench.seeds}; {bench.size.steps} steps; {bench.size.exam_pages} pages that no model has seen"
    parts = [f"{size}. Per cent (95 % interval).", table_of(rows)]
    if "gates" in names:
        parts.append(
            "\n".join(
                ["Absolute value of tanh(gate) after training, mean over seeds; 0 before:", *bars(bench.gates("after"))]
            )
        )
    used = ", ".join(f"{variant.name} {bench.seconds(variant):.0f}" for variant in variants_of(names))
    return "\n\n".join([*parts, f"CPU seconds per run: {used}"])


def bars(gates: np.ndarray) -> Iterator[str]:
    """Yield a line per gate: its block, kind, mean over seeds and a bar, (S, G, 2)."""
    for block, both in enumerate(gates.mean(0), 1):
        for kind, opened in zip(("attention", "feed-forward"), both, strict=True):
            yield f"block {block}  {kind:12}  {opened:.2f}  {'█' * round(BAR * opened)}"
