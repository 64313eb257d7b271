"""`loom why`: prints the outcome of one record in each stage."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from corpusloom.pipelines.cli.flags import print_json
from corpusloom.pipelines.engine.printing import show


@dataclass(frozen=True, kw_only=True)
class Command:
    """Print the outcome of a page, pair or image in each stage, with the reason.

    Examples:
      loom why data/m3w https://example.org/page.html
    """

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """Folder of the dataset."""
    record: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECORD")]
    """URL as scraped, or key."""
    json: bool = False
    """Print the events as JSON."""

    def run(self) -> int:
        """Print the record's events."""
        from corpusloom.pipelines.datasets.why import why

        events = why(self.dataset, self.record)
        if self.json:
            print_json(tuple(events))
            return 0
        for event in events:
            line = f"{event.stage:<8} {event.unit:<17} {event.outcome:<8}"
            if event.reason:
                line += f" {event.reason}"
                if event.measured is not None:
                    line += f" (measured {event.measured:.4g}, threshold {event.threshold})"
            show(f"{line} {event.note or event.url or event.key}")
            if event.scores and event.unit in ("page", "pair"):
                show("         " + ", ".join(f"{name} {value:.4g}" for name, value in event.scores.items()))
        return 0
