"""The result of `loom demo`: datasets, figures and their gates, printed as tables or JSON."""

from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from corpusloom.pipelines.builds.config import BuildReport
from corpusloom.pipelines.cli.text_tables import counts_table, table_console
from corpusloom.pipelines.stages.scrape.scrape import ScrapeReport


@dataclass(frozen=True)
class Gate:
    """One figure of a model, and the value that it must reach."""

    name: str
    value: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    chance: float
    """Value that guessing reaches."""
    wanted: float | None
    """Value to reach; None for a figure that is shown only."""

    @property
    def met(self) -> bool:
        """Return whether the figure reaches the wanted value."""
        return self.wanted is None or self.value >= self.wanted


@dataclass(frozen=True)
class Training:
    """One model's training."""

    steps: int
    loss: float
    """Loss of the last step."""
    seconds: float


@dataclass
class DemoResult:
    """Datasets, figures and times of one run of the demo."""

    out: str
    scraped: ScrapeReport
    builds: dict[str, BuildReport]
    gates: list[Gate]
    trainings: dict[str, Training]
    """Model -> its training."""
    seconds: dict[str, float]
    """Step -> seconds."""
    canary: int
    """Connections to the forbidden address; must be 0."""
    reports: list[str] = field(default_factory=list)
    """Paths of the HTML reports."""
    port: int = 0
    """Port of the bundled website, which is part of its URLs."""

    @property
    def gates_met(self) -> bool:
        """Return whether every gate was met and nothing connected to the forbidden address."""
        return self.canary == 0 and all(gate.met for gate in self.gates)

    def to_plain(self) -> dict[str, Any]:
        """Return the result for --json."""
        return {
            "datasets": {name: report.manifest.samples for name, report in self.builds.items() if report.manifest},
            "digests": {name: report.manifest.digest for name, report in self.builds.items() if report.manifest},
            "gates": [vars(gate) | {"met": gate.met} for gate in self.gates],
            "losses": {name: vars(training) for name, training in self.trainings.items()},
            "seconds": {name: round(value, 2) for name, value in self.seconds.items()},
            "canary_connections": self.canary,
            "gates_met": self.gates_met,
        }

    def print(self) -> None:
        """Print the tables."""
        console = table_console()
        console.print(counts_table(self.scraped.counts, "scrape"))
        for name in ("m3w", "align"):
            manifest = self.builds[name].manifest
            if manifest is not None:
                console.print()
                console.print(counts_table(manifest.counts, f"build {name}"))
        console.print()
        console.print(_datasets_table(self.builds))
        console.print()
        console.print(_models_table(self.gates, self.trainings))
        console.print()
        total = sum(self.seconds.values())
        slowest = sorted(self.seconds.items(), key=lambda item: -item[1])[:6]
        console.print(f"{total:.0f} s in all: " + ", ".join(f"{name} {value:.0f}" for name, value in slowest))
        console.print(f"connections to the forbidden address: {self.canary}")
        console.print(f"reports: {', '.join(self.reports)}")
        console.print(
            f"next: loom why {self.out}/datasets/m3w http://attic.localhost:{self.port}/noai.html\n"
            f"      loom verify {self.out}/datasets/align --deep\n"
            f"      loom stats {self.out}/datasets/m3w"
        )


def _datasets_table(builds: dict[str, BuildReport]) -> Table:
    table = Table(title="datasets", title_justify="left", box=None, pad_edge=False)
    for column in ("dataset", "samples", "shards", "MB", "digest"):
        table.add_column(column, justify="right" if column in ("samples", "shards", "MB") else "left")
    for name, report in builds.items():
        if report.manifest is not None:
            size = sum(shard.tar.bytes for shard in report.manifest.shards) / 1e6
            row = (f"{report.manifest.samples:,}", str(len(report.manifest.shards)), f"{size:.1f}")
            table.add_row(name, *row, report.manifest.digest[:16])
    return table


def _models_table(gates: list[Gate], trainings: dict[str, Training]) -> Table:
    table = Table(title="models, on held-out images", title_justify="left", box=None, pad_edge=False)
    for column in ("evaluation", "figure", "95 % interval", "chance", "wanted", "steps", "loss", "seconds"):
        table.add_column(column, justify="left" if column == "evaluation" else "right")
    for gate in gates:
        training = trainings.get(gate.name.split()[0])
        wanted = "" if gate.wanted is None else f"{gate.wanted:.3f} {'met' if gate.met else 'NOT MET'}"
        interval = f"{gate.low:.3f} .. {gate.high:.3f}"
        trained = (str(training.steps), f"{training.loss:.3f}", f"{training.seconds:.0f}") if training else ("", "", "")
        table.add_row(gate.name, f"{gate.value:.3f}", interval, f"{gate.chance:.4f}", wanted, *trained)
    return table
