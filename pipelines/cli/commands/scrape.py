"""`loom scrape`: fetches pages from seed URLs into WARCs."""

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from corpusloom.pipelines.cli.flags import CONTACT, FetchFlags, OutputFlags, check_least, print_json


@dataclass(frozen=True, kw_only=True)
class Command:
    """Scrape sites into WARCs, following links within each seed's host; robots.txt and opt-outs are honoured.

    Examples:
      loom scrape --seeds seeds.txt --out crawl --contact https://example.org/bot
      loom scrape --seeds seeds.txt --out crawl --images --contact https://example.org/bot
    """

    seeds: Annotated[str, tyro.conf.arg(metavar="PATH")]
    """Text file with one start URL per line."""
    out: Annotated[str, tyro.conf.arg(metavar="FOLDER")]
    """Folder of the WARCs; a second run with the same folder resumes."""
    depth: int = 3
    """Number of links from a seed to a page, at most."""
    max_pages: int | None = None
    """Pages per host, at most."""
    images: bool = False
    """Also fetch the pages' images into the WARCs; a build then reads them from there."""
    fetch: FetchFlags = field(default_factory=FetchFlags)
    output: OutputFlags = field(default_factory=OutputFlags)

    @staticmethod
    def missing(given: Set[str]) -> dict[str, str]:
        """Return what is missing besides the required flags: the contact."""
        return {} if "--contact" in given else CONTACT

    def run(self) -> int:
        """Scrape."""
        check_least("--depth", self.depth, 0)
        check_least("--max-pages", self.max_pages, 1)
        from corpusloom.pipelines.builds.nothing_kept import refuse_nothing
        from corpusloom.pipelines.cli.text_tables import print_counts
        from corpusloom.pipelines.stages.scrape.scrape import scrape
        from corpusloom.pipelines.stages.scrape.scrape_lane import ScrapeConfig

        config = ScrapeConfig(
            seeds=self.seeds,
            out=self.out,
            depth=self.depth,
            max_pages=self.max_pages,
            images=self.images,
            workers=1,
            fetch=self.fetch.fetch_config(self.output.reporter()),
        )
        report = scrape(config, self.output.reporter())
        if self.output.json:
            print_json(report)
        else:
            print_counts(report.counts, f"WARCs in {self.out}")
        refuse_nothing((row for row in report.counts if row.unit == "page"), self.out)
        return 0
