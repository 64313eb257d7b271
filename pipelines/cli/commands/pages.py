"""`loom pages`: runs the stages of a recipe up to its selected pages."""

from dataclasses import dataclass
from typing import ClassVar

from corpusloom.pipelines.cli.commands.build import BuildFlags


@dataclass(frozen=True, kw_only=True)
class Command(BuildFlags):
    """Run the stages of a recipe up to its selected pages; `loom build` continues from there.

    Examples:
      loom pages m3w --warc 'crawl/*.warc.gz' --out data/m3w
      loom pages obelics --warc crawl --out data/obelics --limit 1000 --json
    """

    MAIN: ClassVar[str] = "warc list caption-column from out work set limit plan print-config json quiet"

    def run(self) -> int:
        """Run the stages up to the selected pages."""
        return self.run_selection("pages")
