"""Progress of a command: prints one line per stage and, on a terminal, a bar.

With `--log-format json` each line is a JSON object, for log collectors.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from corpusloom.pipelines.engine.logs import log
from corpusloom.pipelines.engine.metrics import Measures
from corpusloom.pipelines.engine.printing import SafeConsole, printable

POLL_SECONDS = 0.25


@dataclass
class Reporter:
    """Printer of a command's stages to standard error, with the seconds and metrics of each stage."""

    quiet: bool = False
    """Print warnings only."""
    json: bool = False
    """Log one JSON object per line."""
    console: Console = field(default_factory=lambda: SafeConsole(stderr=True, highlight=False))
    seconds: dict[str, float] = field(default_factory=dict)
    measures: Measures = field(default_factory=Measures)
    _fresh: Measures = field(default_factory=Measures)

    def fresh(self) -> "Reporter":
        """Return a reporter with the same output and without seconds and metrics."""
        return Reporter(quiet=self.quiet, json=self.json, console=self.console)

    def note(self, text: str) -> None:
        """Print one line."""
        if self.json:
            log("note", text=text)
        elif not self.quiet:
            self.console.print(printable(text), markup=False)

    def warn(self, text: str) -> None:
        """Print one line, even if `quiet`."""
        if self.json:
            log("warning", text=text)
        else:
            self.console.print(printable(text), style="bold red", markup=False)

    def add_measures(self, measures: Measures) -> None:
        """Add the metrics of a pipeline to those of the running stage."""
        self.measures.add(measures)
        self._fresh.add(measures)

    @contextlib.contextmanager
    def stage(
        self, name: str, total: int | None = None, done: Callable[[], int] | None = None, *, detail: str | None = None
    ) -> Iterator[None]:
        """Time a stage, and on a terminal show a bar.

        Args:
          name: The stage.
          total: The length of the bar; None if unknown.
          done: Returns how many of `total` are finished; polled while the stage runs.
          detail: Name of a part of the stage, shown in place of `name`.
        """
        label = detail or name
        named = {"stage": name} if detail is None else {"stage": name, "detail": detail}
        start = time.monotonic()
        if self.json:
            log("stage started", **named)
        if self.quiet or self.json or not self.console.is_terminal:
            yield
        else:
            with self._bar(label, total, done):
                yield
        seconds = time.monotonic() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        if self.json:
            fresh, self._fresh = self._fresh, Measures()
            latencies = {name: asdict(latency) for name, latency in sorted(fresh.latencies.items())}
            counts = dict(sorted(fresh.counters.items()))
            log("stage finished", **named, seconds=round(seconds, 3), counts=counts, latencies=latencies)
        else:
            self.note(f"  {label}: {seconds:.1f} s")

    @contextlib.contextmanager
    def _bar(self, label: str, total: int | None, done: Callable[[], int] | None) -> Iterator[None]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        stop = threading.Event()
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(label, total=total)

            def poll() -> None:
                while done is not None and not stop.wait(POLL_SECONDS):
                    with contextlib.suppress(Exception):  # an error in the bar must not end the build
                        progress.update(task, completed=done())

            watcher = threading.Thread(target=poll, daemon=True)
            watcher.start()
            try:
                yield
            finally:
                stop.set()
                watcher.join()
