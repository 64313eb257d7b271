"""Writes the report of a run on real sites: one JSON file, and the same values as Markdown tables for the README."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.real.checks import Check
from benchmarks.real.commands import Step
from corpusloom.schemas import arrow
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import StageCounts


@dataclass(frozen=True, kw_only=True)
class Report:
    """Steps, figures and checks of one run."""

    machine: dict[str, Any]
    """Cores, load average at start and end, versions."""
    material: dict[str, Any]
    megabytes: dict[str, float]
    """Size of each folder of the run, in MB."""
    steps: Sequence[Step]
    scraped: Sequence[StageCounts]
    manifests: dict[str, Manifest]
    training: dict[str, Any] = field(default_factory=dict)
    checks: Sequence[Check]

    @property
    def held(self) -> bool:
        """Whether every check held."""
        return all(check.held for check in self.checks)

    def to_plain(self) -> dict[str, Any]:
        """Return everything as plain values."""
        datasets = {
            name: {
                "samples": manifest.samples,
                "shards": len(manifest.shards),
                "tar_bytes": sum(shard.tar.bytes for shard in manifest.shards),
                "digest": manifest.digest,
                "funnel": arrow.to_plain(manifest.counts),
            }
            for name, manifest in self.manifests.items()
        }
        return {
            "held": self.held,
            "machine": self.machine,
            "material": self.material,
            "megabytes": self.megabytes,
            "steps": [asdict(step) for step in self.steps],
            "scrape": arrow.to_plain(tuple(self.scraped)),
            "datasets": datasets,
            "training": self.training,
            "checks": [asdict(check) for check in self.checks],
        }

    def to_markdown(self) -> str:
        """Return the tables."""
        facts = {**self.machine, **self.material, **self.training}
        funnels = [("scrape", row) for row in self.scraped]
        funnels += [(name, row) for name, manifest in self.manifests.items() for row in manifest.counts]
        datasets = self.to_plain()["datasets"].items()
        return "\n\n".join(
            (
                ", ".join(f"{name}: {value}" for name, value in facts.items()),
                "MB on disk: " + ", ".join(f"{name} {value}" for name, value in self.megabytes.items()),
                table(("step", "wall s", "CPU s", "largest process, MB"), map(_step_row, self.steps)),
                table(("of", "stage", "unit", "in", "kept", "rejected", "dead", "reasons"), map(_funnel_row, funnels)),
                table(("dataset", "samples", "MB of tars", "digest"), (_dataset_row(*item) for item in datasets)),
                table(("", "check", "found"), map(_check_row, self.checks)),
            )
        )

    def write(self, folder: Path) -> None:
        """Write report.json and report.md."""
        (folder / "report.json").write_text(json.dumps(self.to_plain(), indent=1, ensure_ascii=False) + "\n")
        (folder / "report.md").write_text(self.to_markdown() + "\n")


def _step_row(step: Step) -> tuple[str, ...]:
    return (step.name, f"{step.seconds:.1f}", f"{step.cpu_seconds:.1f}", f"{step.memory_mb:.0f}")


def _dataset_row(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    return (name, f"{row['samples']:,}", f"{row['tar_bytes'] / 1e6:.1f}", row["digest"][:16])


def _check_row(check: Check) -> tuple[str, ...]:
    return ("held" if check.held else "**FAILED**", check.name, check.found)


def _funnel_row(item: tuple[str, StageCounts]) -> tuple[str, ...]:
    name, row = item
    reasons = row.reasons
    named = ", ".join(f"{reason} {count:,}" for reason, count in reasons[:5]) + (", ..." if len(reasons) > 5 else "")
    numbers = (row.records_in, row.kept, sum(row.rejected.values()), sum(row.dead.values()))
    return (name, row.stage, row.unit, *(f"{number:,}" for number in numbers), named)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join((*lines, *(f"| {' | '.join(row)} |" for row in rows)))
