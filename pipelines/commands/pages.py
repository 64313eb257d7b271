"""`loom pages`: the stages of a recipe up to its pages."""

from dataclasses import dataclass

from pipelines.commands.build import BuildFlags


@dataclass(frozen=True, kw_only=True)
class Command(BuildFlags):
    """Run the stages of a recipe up to its pages; `loom build` goes on from there.

    Examples:
      loom pages m3w --warc 'crawl/*.warc.gz' --out data/m3w --contact https://example.org/bot
    """

    def run(self) -> int:
        """Run the stages up to pages."""
        return self.run_until("pages")
