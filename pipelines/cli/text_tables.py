"""Printing of results as tables for terminals."""

import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.table import Table

from corpusloom.pipelines.builds.config import BuildReport, BuildSummary
from corpusloom.pipelines.datasets.stats.statistics import STATISTICS, Total, ValueCounts
from corpusloom.pipelines.datasets.stats.summary import StatsSummary, figure
from corpusloom.pipelines.engine.printing import SafeConsole, printable
from corpusloom.schemas.records import StageCounts

if TYPE_CHECKING:
    from corpusloom.trainers.evaluation.predictions import Prediction

PLAIN_WIDTH = 160


def table_console() -> SafeConsole:
    """Return a console on standard output; in a file or pipe it is `PLAIN_WIDTH` columns wide."""
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    return SafeConsole(highlight=False, soft_wrap=True, emoji=False, markup=False, width=width)


def counts_table(
    counts: Iterable[StageCounts], title: str, seconds: Mapping[str, float] = MappingProxyType({})
) -> Table:
    """Return the funnel: one row per stage and unit, with reasons, and with seconds for stages of this run."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("stage", "unit"):
        table.add_column(name)
    for name in ("in", "kept", "rejected", "dead"):
        table.add_column(name, justify="right")
    if seconds:
        table.add_column("seconds", justify="right")
    table.add_column("reasons", overflow="fold")
    left = {stage: f"{took:,.1f}" for stage, took in seconds.items()}
    for row in counts:
        reasons = row.reasons
        table.add_row(
            row.stage,
            row.unit,
            f"{row.records_in:,}",
            f"{row.kept:,}",
            f"{sum(row.rejected.values()):,}",
            f"{sum(row.dead.values()):,}",
            *([left.pop(row.stage, "")] if seconds else []),
            ", ".join(f"{name} {count:,}" for name, count in reasons[:6])
            + (" ..." if len(reasons) > 6 else "")
            + "".join(f"; {name} {count:,}" for name, count in row.remarks.items()),
        )
    return table


def print_counts(counts: Iterable[StageCounts], title: str) -> None:
    """Print the funnel on standard output."""
    table_console().print(counts_table(counts, title))


def print_build(report: BuildReport, summary: BuildSummary, out: str) -> None:
    """Print the funnel, the size and the digest of a build."""
    console = table_console()
    manifest = report.manifest
    title = f"{manifest.recipe}: {out}" if manifest else f"stages of {out}"
    console.print(counts_table(summary.stages, title, summary.stage_seconds))
    if manifest is not None:
        size = f"{summary.bytes / 1e6:.1f} MB, {summary.seconds:.1f} s"
        console.print(f"{summary.samples:,} samples in {summary.shards} shards, {size}")
        console.print(f"digest {manifest.digest}")
    if report.reused:
        console.print(f"reused: {', '.join(report.reused)}")


def print_summary(summary: StatsSummary) -> None:
    """Print a dataset's statistics on standard output."""
    console = table_console()
    console.print(counts_table(summary.funnel, f"{summary.recipe}: {summary.dataset}"))
    table = Table(box=None, pad_edge=False)
    table.add_column("column")
    names = ("min", "p05", "p50", "p95", "max", "mean")
    for name in names:
        table.add_column(name, justify="right")
    for column, row in summary.quantiles.items():
        if row:
            table.add_row(column, *(figure(row[name]) for name in names))
    console.print(table)
    for item in STATISTICS:
        if isinstance(item, ValueCounts) and summary.counts[item.name]:
            console.print(_counts_line(item.label, summary.counts[item.name]))
    totals = ", ".join(_total(summary.totals[item.name], item.label) for item in STATISTICS if isinstance(item, Total))
    console.print(f"{summary.samples:,} samples, {totals}, {summary.shards} shards, {summary.tar_bytes / 1e6:.1f} MB")


def _total(value: int | None, label: str) -> str:
    return f"{label} unknown" if value is None else f"{value:,} {label}"


def _counts_line(label: str, counts: Mapping[str, int], most: int = 12) -> str:
    """Return a line with the `most` commonest values."""
    shown = ", ".join(f"{printable(value) or 'unknown'} {count:,}" for value, count in list(counts.items())[:most])
    return f"{label}: {shown}" + (f" and {len(counts) - most:,} more" if len(counts) > most else "")


FIGURE_PARTS = ("_low", "_high", "_n", "_chance")
"""Ends of the names of what belongs to a figure: its interval, its number of trials, its value by chance."""


def main_figures(figures: Mapping[str, float]) -> dict[str, float]:
    """Return the figures without what belongs to another one, in their order."""
    parts = {f"{name}{end}" for name in figures for end in FIGURE_PARTS}
    return {name: value for name, value in figures.items() if name not in parts}


def interval_words(figures: Mapping[str, float], name: str) -> str:
    """Return the 95 % interval of a figure in words; empty without one."""
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    return "" if low is None or high is None else f"{low:.4g} to {high:.4g}"


def figures_table(figures: Mapping[str, float]) -> Table:
    """Return one row per figure, with its interval, its number of trials and its value by chance."""
    table = Table(box=None, pad_edge=False)
    table.add_column("figure")
    for name in ("value", "95 % interval", "n", "chance"):
        table.add_column(name, justify="right")
    for name, value in main_figures(figures).items():
        if name in ("chance", "n"):
            continue
        trials, chance = figures.get(f"{name}_n"), figures.get(f"{name}_chance")
        table.add_row(
            name,
            f"{value:.4g}",
            interval_words(figures, name),
            "" if trials is None else f"{trials:,.0f}",
            "" if chance is None else f"{chance:.4g}",
        )
    return table


def predictions_table(predictions: "Iterable[Prediction]") -> Table:
    """Return one row per picture: its name, and its best classes with their probabilities."""
    table = Table(box=None, pad_edge=False)
    for name in ("picture", "best class", "others"):
        table.add_column(name, overflow="fold")
    for found in predictions:
        words = [f"{name} {share:.0%}" for name, share in found.top]
        table.add_row(found.image, words[0], ", ".join(words[1:3]))
    return table
