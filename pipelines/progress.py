"""What a person sees while a command runs: a line a stage, with a bar on a terminal and nothing moving elsewhere."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

POLL_SECONDS = 0.25


@dataclass
class Reporter:
    """Prints stages to standard error; `quiet` prints nothing. Keeps the seconds that each stage took."""

    quiet: bool = False
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    seconds: dict[str, float] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Print one line."""
        if not self.quiet:
            self.console.print(text)

    @contextlib.contextmanager
    def stage(self, label: str, total: int | None = None, done: Callable[[], int] | None = None) -> Iterator[None]:
        """Time a stage; on a terminal show a bar that asks `done` how far it is, whatever process does the work."""
        start = time.monotonic()
        if self.quiet or not self.console.is_terminal:
            yield
        else:
            with self._bar(label, total, done):
                yield
        self.seconds[label] = self.seconds.get(label, 0.0) + time.monotonic() - start
        self.note(f"  {label}: {self.seconds[label]:.1f} s")

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
                    with contextlib.suppress(Exception):  # a bar never ends a build
                        progress.update(task, completed=done())

            watcher = threading.Thread(target=poll, daemon=True)
            watcher.start()
            try:
                yield
            finally:
                stop.set()
                watcher.join()
