"""`loom demo`: the bundled web, end to end."""

from dataclasses import dataclass, field

from corpusloom.pipelines.cli.flags import OutputFlags, print_json
from corpusloom.pipelines.engine import extras
from corpusloom.schemas.errors import ConfigError

GATE = 3
"""Exit code of a demo that ran through but whose models did not beat chance clearly."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Serve the bundled web on loopback, scrape it, build datasets, train three models on them and examine them.

    A second run over the same folder skips what is finished.

    Examples:
      loom demo
      loom demo --quick
    """

    out: str = "demo"
    """Where everything goes: crawl, datasets, reports, runs."""
    quick: bool = False
    """A small web of about 300 images and short training, without gates: does everything run?"""
    port: int = 8765
    """Loopback port of the bundled web; it is part of the URLs, hence of the datasets."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Run all of it; the exit code is 3 when a gate was not met."""
        if not 0 < self.port < 1 << 16:
            raise ConfigError(f"--port is {self.port}", remedy="give 1 to 65535")
        extras.require("report", extras.REPORT, "loom demo")
        from corpusloom.pipelines.cli.demo_folder import DemoFolder
        from corpusloom.pipelines.cli.run_demo import run_demo

        result = run_demo(DemoFolder(self.out, self.output.reporter(), quick=self.quick, port=self.port))
        if self.output.json:
            print_json(result.to_plain())
        else:
            result.print()
        return 0 if result.gates_met else GATE
