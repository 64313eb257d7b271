"""`loom images`: the stages of a recipe up to its images."""

from dataclasses import dataclass

from pipelines.commands.build import BuildFlags


@dataclass(frozen=True, kw_only=True)
class Command(BuildFlags):
    """Run the stages of a recipe up to its images; `loom build` goes on from there.

    Examples:
      loom images m3w --warc 'crawl/*.warc.gz' --out data/m3w --contact https://example.org/bot
    """

    def run(self) -> int:
        """Run the stages up to images."""
        return self.run_until("images")
