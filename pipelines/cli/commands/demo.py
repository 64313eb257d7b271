"""`loom demo`: runs all steps, from scraping to evaluation, on a bundled website."""

from dataclasses import dataclass, field

from corpusloom.pipelines.cli.flags import OutputFlags, print_json
from corpusloom.pipelines.engine import extras
from corpusloom.schemas.errors import ConfigError

GATE = 3
"""Exit code if every step ran, but a model's figure missed its gate."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Serve a bundled website on loopback, scrape it, build datasets, train three models on them and evaluate them.

    A second run over the same folder skips finished steps.

    Examples:
      loom demo
      loom demo --quick
    """

    out: str = "demo"
    """Folder of the crawl, the datasets, the reports and the runs."""
    quick: bool = False
    """Use a small website of about 300 images and short training, without gates, to check that everything runs."""
    port: int = 8765
    """Loopback port of the website; it is part of the URLs, so it changes the datasets."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Run every step; the exit code is 3 if a gate was not met."""
        if not 0 < self.port < 1 << 16:
            raise ConfigError(f"--port is {self.port}", remedy="give 1 to 65535")
        extras.require("report", extras.REPORT, "loom demo")
        from corpusloom.pipelines.cli.demo.folder import DemoFolder
        from corpusloom.pipelines.cli.demo.run import run_demo

        result = run_demo(DemoFolder(self.out, self.output.reporter(), quick=self.quick, port=self.port))
        if self.output.json:
            print_json(result.to_plain())
        else:
            result.print()
        return 0 if result.gates_met else GATE
