"""The folder in which `loom demo` runs, and the seconds of its steps."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.schemas import storage

STEPS = (
    "scrape",
    "build m3w",
    "build align",
    "build exam",
    "regions",
    "statistics",
    "train models",
    "evaluations",
)
"""Names of the steps, in order."""


@dataclass
class DemoFolder:
    """One run of the demo over one folder."""

    out: str
    reporter: Reporter
    quick: bool
    """Use a small website and short training, without gates."""
    port: int
    """Port of the bundled website."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Step -> seconds."""

    def path(self, *parts: str) -> str:
        """Return a path inside the folder."""
        return storage.join(self.out, *parts)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Print and time one step."""
        start = time.monotonic()
        self.reporter.note(f"step {STEPS.index(name) + 1} of {len(STEPS)}: {name}")
        yield
        self.seconds[name] = time.monotonic() - start
