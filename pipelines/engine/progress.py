"""Progress of a command: one line per stage, and a bar on a terminal or a line every 30 s elsewhere while it runs.

With `--log-format json` each line is a JSON object, for log collectors.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from corpusloom.pipelines.engine.logs import log
from corpusloom.pipelines.engine.metrics import Measures
from corpusloom.pipelines.engine.pace import Pace
from corpusloom.pipelines.engine.printing import SafeConsole, printable
from corpusloom.schemas.urls.redaction import redacted

POLL_SECONDS = 0.25
"""Seconds between two updates of a bar."""
HEARTBEAT_SECONDS = 30.0
"""Seconds between two lines on a stage that runs, if standard error is no terminal."""


@dataclass
class Reporter:
    """Printer of a command's stages to standard error, with the seconds and metrics of each stage."""

    quiet: bool = False
    """Print warnings only."""
    json: bool = False
    """Log one JSON object per line."""
    console: Console = field(default_factory=lambda: SafeConsole(stderr=True, highlight=False, soft_wrap=True))
    seconds: dict[str, float] = field(default_factory=dict)
    measures: Measures = field(default_factory=Measures)
    _fresh: Measures = field(default_factory=Measures)

    def fresh(self) -> "Reporter":
        """Return a reporter with the same output and without seconds and metrics."""
        return Reporter(quiet=self.quiet, json=self.json, console=self.console)

    def event(self, name: str, text: str, **fields: object) -> None:
        """Print one line; where logs are JSON, log the event with its fields."""
        if self.json:
            log(name, **fields)
        else:
            self.note(text)

    def note(self, text: str) -> None:
        """Print one line."""
        if self.json:
            log("note", text=text)
        elif not self.quiet:
            self.console.print(printable(redacted(text)), markup=False)

    def warn(self, text: str) -> None:
        """Print one line, even if `quiet`."""
        if self.json:
            log("warning", text=text)
        else:
            self.console.print(printable(redacted(text)), style="bold red", markup=False)

    def add_measures(self, measures: Measures) -> None:
        """Add the metrics of a pipeline to those of the running stage."""
        self.measures.add(measures)
        self._fresh.add(measures)

    @contextlib.contextmanager
    def stage(
        self,
        name: str,
        total: int | None = None,
        done: Callable[[], int] | None = None,
        unit: str = "",
        *,
        detail: str | None = None,
    ) -> Iterator[None]:
        """Time a stage; on a terminal show a bar, elsewhere print a line every `HEARTBEAT_SECONDS`.

        Args:
          name: The stage.
          total: Number of units; None if unknown.
          done: Returns the number of finished units; called while the stage runs.
          unit: Name of the units, such as shards; `pace.BYTES` is shown in MB.
          detail: Name of a part of the stage, shown in place of `name`.
        """
        label = detail or name
        named = {"stage": name} if detail is None else {"stage": name, "detail": detail}
        start = time.monotonic()
        if self.json:
            log("stage started", **named)
        meter = _Meter(start=start, total=total, done=done, unit=unit)
        if self.quiet and not self.json:
            yield
        elif self.console.is_terminal and not self.json:
            with self._bar(label, meter):
                yield
        else:
            with _repeating(HEARTBEAT_SECONDS, lambda: self._beat(label, named, meter.read())):
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

    def _beat(self, label: str, named: dict[str, str], now: Pace) -> None:
        """Print one line on the progress of a stage."""
        per_second, left = now.per_second, now.seconds_left
        self.event(
            "progress",
            f"  {label}: {now}",
            **named,
            seconds=round(now.seconds, 1),
            done=now.done,
            total=now.total,
            per_second=None if per_second is None else float(f"{per_second:.4g}"),
            seconds_left=None if left is None else round(left),
        )

    @contextlib.contextmanager
    def _bar(self, label: str, meter: "_Meter") -> Iterator[None]:
        """Show a bar with the stage's progress while the block runs."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            *(TextColumn(f"{{task.fields[now].{part}}}", markup=False) for part in ("share", "left", "rate")),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(printable(label), total=meter.total, now=meter.read())

            def update() -> None:
                now = meter.read()
                progress.update(task, completed=now.done or 0, now=now)

            with _repeating(POLL_SECONDS, update):
                yield


@dataclass(kw_only=True)
class _Meter:
    """Reads the progress of a stage."""

    start: float
    total: int | None
    done: Callable[[], int] | None
    unit: str
    before: int = 0

    def __post_init__(self) -> None:
        self.before = self._count() or 0

    def _count(self) -> int | None:
        """Return the number of finished units; None if it is not counted or cannot be read now."""
        with contextlib.suppress(Exception):  # an error in the progress must not end the stage
            return None if self.done is None else self.done()
        return None

    def read(self) -> Pace:
        """Return the progress now."""
        seconds = time.monotonic() - self.start
        return Pace(seconds=seconds, done=self._count(), before=self.before, total=self.total, unit=self.unit)


@contextlib.contextmanager
def _repeating(seconds: float, work: Callable[[], None]) -> Iterator[None]:
    """Call a function at intervals, in a thread, while the block runs."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(seconds):
            with contextlib.suppress(Exception):  # a closed standard error must not end the stage
                work()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
