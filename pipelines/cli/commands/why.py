"""`loom why`: prints the outcome of one record in each stage."""

from dataclasses import dataclass, replace
from typing import Annotated

import tyro

from corpusloom.pipelines.cli.flags import print_json
from corpusloom.pipelines.engine.printing import show
from corpusloom.schemas.urls.redaction import redacted


@dataclass(frozen=True, kw_only=True)
class Command:
    """Print the outcome of a page, pair or image in each stage, with the reason.

    Examples:
      loom why data/m3w https://example.org/page.html
      loom why crawl https://example.org/page.html
      loom why data/m3w.work 0123456789abcdef0123456789abcdef
    """

    folder: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """A dataset, a crawl, a work folder or an image store."""
    record: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECORD")]
    """URL as scraped, key, or sha256 of an image."""
    json: bool = False
    """Print the events as JSON."""

    def run(self) -> int:
        """Print the record's events."""
        from corpusloom.pipelines.datasets.why import why

        events = [
            replace(event, url=event.url and redacted(event.url), note=event.note and redacted(event.note))
            for event in why(self.folder, self.record)
        ]
        if self.json:
            print_json(tuple(events))
            return 0
        for event in events:
            line = f"{event.stage:<8} {event.unit:<17} {event.outcome:<11}"
            if event.reason:
                line += f" {event.reason}"
                if event.measured is not None:
                    line += f" (measured {event.measured:.4g}, threshold {event.threshold})"
            show(f"{line} {event.note or event.url or event.key}")
            if event.scores and event.unit in ("page", "pair"):
                show("         " + ", ".join(f"{name} {value:.4g}" for name, value in event.scores.items()))
        return 0
