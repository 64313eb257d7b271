"""Prints the rows of the claims as a table, and the CPU seconds of the runs."""

from collections.abc import Sequence

from benchmarks.claims_common.rows import Row, table_of
from benchmarks.claims_vilbert.bench import Bench
from benchmarks.claims_vilbert.claims import wanted_of


def table(rows: Sequence[Row], bench: Bench, names: Sequence[str]) -> str:
    """Return the rows in Markdown, and a line of CPU seconds per kind of run."""
    size = bench.size
    head = (
        f"Per cent (95 % interval) of {size.exam} scenes that no model has seen. Seeds: {bench.seeds}; "
        f"pre-training: {size.pretraining:,} captions, {size.steps} steps; "
        f"tasks: {size.training} scenes, {size.task_steps} steps."
    )
    used = [
        f"{given.name}{'' if task is None else f', {task.name}'} {bench.seconds(given, task):.0f}"
        for given, task in wanted_of(names)
    ]
    return "\n\n".join([head, table_of(rows), f"CPU seconds per run: {'; '.join(used)}."])
