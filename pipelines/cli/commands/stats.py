"""`loom stats`: summarises a dataset."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from corpusloom.pipelines.cli.flags import OutputFlags, check_output, print_json
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.printing import show


@dataclass(frozen=True, kw_only=True)
class Command:
    """Summarise a dataset with Dask over its sidecars: as text, as JSON, or as an HTML report.

    Examples:
      loom stats data/m3w
      loom stats data/m3w --html report.html
      loom stats data/m3w --json --scheduler tcp://scheduler:8786
    """

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """Folder of the dataset."""
    html: Annotated[str | None, tyro.conf.arg(metavar="PATH")] = None
    """Path of the HTML report."""
    scheduler: str = "threads"
    """threads, synchronous, or the address of a Dask cluster."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Summarise."""
        if self.html:
            extras.require("report", extras.REPORT, "loom stats --html")
            check_output("--html", self.html)
        from corpusloom.pipelines.cli.text_tables import print_summary
        from corpusloom.pipelines.datasets.stats.summary import StatsConfig, summarise
        from corpusloom.pipelines.store.lineage import Derived, absolute, record

        reporter = self.output.reporter()
        with reporter.stage("statistics"):
            summary = summarise(self.dataset, StatsConfig(scheduler=self.scheduler))
        if self.html:
            from corpusloom.pipelines.datasets.stats.report import write_report

            with reporter.stage("report"):
                write_report(summary, self.html)
            record(self.dataset, Derived(kind="report", path=absolute(self.html)))
        if self.output.json:
            print_json(summary.to_plain())
        else:
            print_summary(summary)
            if self.html:
                show(f"report: {self.html}")
        return 0
