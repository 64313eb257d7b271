"""`loom pairs`: runs the stages of a recipe up to its selected pairs."""

from dataclasses import dataclass
from typing import ClassVar

from corpusloom.pipelines.cli.commands.build import BuildFlags


@dataclass(frozen=True, kw_only=True)
class Command(BuildFlags):
    """Run the stages of a recipe up to its selected pairs of image URL and text; `loom build` continues from there.

    Examples:
      loom pairs align --warc 'crawl/*.warc.gz' --out data/align
      loom pairs align --warc crawl --out data/align --set filters.captions.max_words=30 --json
    """

    MAIN: ClassVar[str] = "warc list caption-column from out work set limit plan print-config json quiet"

    def run(self) -> int:
        """Run the stages up to the selected pairs."""
        return self.run_selection("pairs")
