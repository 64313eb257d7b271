"""`loom shards`: runs the last stage of a recipe, which writes the dataset."""

from dataclasses import dataclass
from typing import ClassVar

from corpusloom.pipelines.cli.commands.build import BuildFlags


@dataclass(frozen=True, kw_only=True)
class Command(BuildFlags):
    """Write the shards of a recipe whose other stages are finished; nothing is fetched.

    Examples:
      loom images m3w --warc crawl --out data/m3w --contact https://example.org/bot
      loom shards m3w --warc crawl --out data/m3w --shards 8
    """

    MAIN: ClassVar[str] = "warc list caption-column from-img2dataset from out work store set shards plan json quiet"

    def run(self) -> int:
        """Run the last stage alone."""
        return self.run_until("shards", alone=True)
