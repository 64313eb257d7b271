"""`loom train`: trains a model on datasets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from corpusloom.pipelines.cli.flags import OutputFlags, print_json
from corpusloom.pipelines.engine import extras
from corpusloom.schemas.errors import ConfigError

if TYPE_CHECKING:
    from corpusloom.trainers.metrics import StepReport

Family = Literal["clip", "flamingo", "vilbert"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train CLIP, Flamingo or ViLBERT on datasets, on one machine or under torchrun.

    A second run resumes from the newest checkpoint of OUT.

    Examples:
      loom train clip --config clip-tiny --data data/align --out runs/clip
      loom train flamingo --config flamingo-tiny --data m3w=data/m3w:1.0 align=data/align:0.2 --out runs/flamingo
      loom train clip --config clip-vit-l-14 --dry-run --json
    """

    model: Annotated[Family, tyro.conf.Positional]
    """Family of models."""
    config: str
    """Name of a bundled configuration (clip-tiny, flamingo-3b ...) or path of a TOML file."""
    data: tuple[str, ...] = ()
    """DATASET, NAME=DATASET or NAME=DATASET:WEIGHT."""
    out: str | None = None
    """Folder of checkpoints, metrics.jsonl and result.json."""
    set: tuple[str, ...] = ()
    """Configuration keys to change: train.steps=100 ..."""
    verify: bool = False
    """Check the sha256 of every member that is read. By default its crc32c is checked, which datasets of format 1 lack;
    --set loader.verify=false checks nothing."""
    device: str | None = None
    """cpu, cuda ...; if not given, the fastest available."""
    dry_run: bool = False
    """Count parameters, memory and FLOPs on the meta device, without data, and stop."""
    print_config: bool = False
    """Print the configuration with its changes, and stop."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Train, describe or print."""
        extras.require("train", extras.TRAIN, "loom train")
        from corpusloom.trainers.run_config import load_config

        config = load_config(self.config, (*self.set, *["loader.verify=true"] * self.verify))
        if self.print_config:
            print_json(config.to_plain())
            return 0
        if self.dry_run:
            return self._describe()
        if self.out is None:
            raise ConfigError("no folder for checkpoints", where="loom train", remedy="give it as --out")
        from corpusloom.trainers.run import run

        with progress_bar(self.output, config.name) as on_step:
            result = run(self.model, config, self.data, self.out, device=self.device, on_step=on_step)
        if self.output.json:
            plain = {"steps": result.steps, "seconds": result.seconds, "evaluation": result.evaluation}
            print_json({**plain, "skipped": result.skipped.to_plain()})
            return 0
        if result.resumed_at:
            print(f"resumed at step {result.resumed_at}")
        if result.report is not None:
            print(f"step {result.report.step}: loss {result.report.loss:.4f}, {result.seconds:.1f} s")
        for name, value in result.evaluation.items():
            print(f"{name} {value:.4g}")
        if result.skipped.count:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in result.skipped.reasons.items())
            print(f"skipped: {result.skipped.count:,} samples ({reasons}); {self.out}/result.json lists them")
        print(f"checkpoint: {result.checkpoint}")
        return 0

    def _describe(self) -> int:
        from corpusloom.trainers.describe import describe_run
        from corpusloom.trainers.run_config import load_config

        described = describe_run(load_config(self.config, self.set))
        if self.output.json:
            print_json(described)
            return 0
        counts = described["parameters"]
        print(f"{described['name']}: {counts['total']:,} parameters, {counts['trainable']:,} trained")
        for part, count in counts["by_part"].items():
            print(f"  {part:<24} {count:>15,}")
        return 0


@contextmanager
def progress_bar(output: OutputFlags, name: str) -> "Iterator[Callable[[StepReport], None]]":
    """Show a progress bar of steps if on a terminal; yield the callback that updates it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = output.reporter().console
    shown = not output.quiet and console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task(name, total=None)

        def on_step(report: "StepReport") -> None:
            text = f"{name} loss {report.loss:.3f}"
            bar.update(task, total=report.steps, completed=report.step, description=text)

        yield on_step
