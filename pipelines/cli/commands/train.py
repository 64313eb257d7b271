"""`loom train`: trains a model on datasets."""

import dataclasses
import json
from collections.abc import Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tyro

from corpusloom.pipelines.cli.flags import OutputFlags, print_json
from corpusloom.pipelines.cli.run_training import run_training
from corpusloom.pipelines.cli.text_tables import figures_table, table_console
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.printing import show
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError

if TYPE_CHECKING:
    from corpusloom.trainers.training.config import RunConfig
    from corpusloom.trainers.training.loop import TrainResult
    from corpusloom.trainers.training.observe.reports import Observer

Family = Literal["clip", "flamingo", "lm", "vilbert"]
ViLBERTTask = Literal["pretrain", "vqa", "vcr", "refcoco", "retrieval"]
_CONFIGS = {"pretrain": "vilbert-base", **{task: f"vilbert-{task}" for task in ("vqa", "vcr", "refcoco", "retrieval")}}
"""Task -> its bundled configuration."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train CLIP, Flamingo or ViLBERT on datasets, or a language model on texts, on one machine or under torchrun.

    A second run resumes from the newest checkpoint of OUT.

    Examples:
      loom train clip --config clip-tiny --data data/align --out runs/clip
      loom train flamingo --config flamingo-tiny --data m3w=data/m3w align=data/align:4 \\
        --set data.lambdas.m3w=0.2 model.vision.checkpoint=runs/clip --out runs/flamingo
      loom train flamingo --config flamingo-3b --dry-run --world-size 8 --device-memory 80GB
      loom train vilbert --task vqa --data data/coco-regions --out runs/vqa \\
        --set model.init=runs/vilbert 'data.annotations=["questions.json", "annotations.json"]'
    """

    MAIN: ClassVar[str] = "task config data out set print-config dry-run world-size device-memory device json"
    model: Annotated[Family, tyro.conf.Positional]
    """Family of models."""
    config: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Name of a bundled configuration (clip-tiny, flamingo-3b ...; `loom list configs`) or path of a TOML file; with
    --task, if not given, that of the task: vilbert-vqa ..."""
    task: ViLBERTTask | None = None
    """Task of a ViLBERT, as --set model.task=TASK; if not given, that of the configuration."""
    data: Annotated[tuple[str, ...], tyro.conf.arg(metavar="DATASET")] = ()
    """DATASET, NAME=DATASET or NAME=DATASET:SHARE; SHARE is its share of the samples, relative to 1 for the others. For
    lm: files with one JSON string per line."""
    out: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of checkpoints, metrics.jsonl and result.json."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """Configuration keys to change: train.steps=100 ...; `loom list keys NAME` lists them."""
    verify: bool = False
    """Check the sha256 of every member that is read. By default its crc32c is checked, which datasets of format 1 lack;
    --set loader.verify=false checks nothing."""
    allow_addresses: tuple[str, ...] = ()
    """Private networks (NET or NET:PORT) whose servers an index of foreign tars may name."""
    device: str | None = None
    """cpu, cuda ...; if not given, the fastest available."""
    dry_run: bool = False
    """Count parameters, memory and FLOPs per device without data or memory, and stop."""
    world_size: Annotated[int, tyro.conf.arg(metavar="RANKS")] = 1
    """With --dry-run: the number of ranks."""
    device_memory: Annotated[str | None, tyro.conf.arg(metavar="SIZE")] = None
    """With --dry-run: the memory of a device, such as 80GB: says if a step fits, else which parallel.shard does."""
    print_config: bool = False
    """Print the configuration with its changes, and stop."""
    tensorboard: bool = False
    """Write TensorBoard's event files into FOLDER/tensorboard (extra tensorboard)."""
    wandb: Annotated[str | None, tyro.conf.arg(metavar="PROJECT")] = None
    """Log into a project of Weights & Biases (extra wandb); its own environment variables say how."""
    profile: Annotated[str | None, tyro.conf.arg(metavar="START:STOP")] = None
    """Profile the steps after START up to STOP: a Chrome trace per rank in FOLDER/profile."""
    output: OutputFlags = field(default_factory=OutputFlags)

    @staticmethod
    def missing(given: Set[str]) -> dict[str, str]:
        """Return what is missing to train: a configuration, datasets and a folder for checkpoints."""
        needed = {} if given & {"--config", "--task"} else {"--config": "--config NAME"}
        if not given & {"--dry-run", "--print-config"}:
            needed |= {"--data": "--data DATASET ...", "--out": "--out FOLDER"}
        return {shown: "" for name, shown in needed.items() if name not in given}

    def run(self) -> int:
        """Train, describe or print."""
        extras.require("train", extras.TRAIN, "loom train")
        from corpusloom.trainers import registry
        from corpusloom.trainers.checkpoints.folders import RUN_FOLDER, latest
        from corpusloom.trainers.training import distributed
        from corpusloom.trainers.training.config import check_family, load_config
        from corpusloom.trainers.training.observe.profiler import parse_window

        first = distributed.prints()
        reporter = self._reporter() if first else Reporter(quiet=True)
        assignments = (*self._task_settings(), *self.set, *self._loader_settings())
        name = self.config or _CONFIGS[self.task or "pretrain"]
        config = load_config(name, assignments, on_note=reporter.note)
        check_family(config, self.model)
        typed = None if name.endswith(".toml") else {text.partition("=")[0].strip() for text in assignments}
        begun = None if self.out is None else latest(storage.join(self.out, RUN_FOLDER))
        config = registry.complete(config, typed, begun)
        registry.tables_of(config)
        if self.print_config:
            print_json(config.to_plain())
            return 0
        if self.dry_run:
            return self._dry_run(config)
        if self.out is None:
            raise ConfigError("no folder for checkpoints", where="loom train", remedy="give it as --out")
        window = None if self.profile is None else parse_window(self.profile)
        observers = self._observers(config, self.out) if first else []
        result = run_training(
            self.model, config, self.data, self.out, reporter, self.device, observers=observers, profile=window
        )
        if first:
            self._show(result)
        return 0

    def _reporter(self) -> Reporter:
        """Return the reporter of progress; with --json its lines are JSON, and standard output has the result alone."""
        return dataclasses.replace(
            self.output, log_format="json" if self.output.json else self.output.log_format
        ).reporter()

    def _observers(self, config: "RunConfig", out: str) -> "list[Observer]":
        from corpusloom.trainers.training.observe.logs import TensorBoardLog, WandbLog

        found: list[Observer] = []
        if self.tensorboard:
            found.append(TensorBoardLog(storage.join(out, "tensorboard")))
        if self.wandb is not None:
            found.append(WandbLog(out, self.wandb, config.to_plain()))
        return found

    def _show(self, result: "TrainResult") -> None:
        """Print the result of a run."""
        if self.output.json:
            names = ("steps", "resumed_at", "seconds", "evaluation", "checkpoint", "skipped_steps")
            plain = {name: getattr(result, name) for name in names}
            report = result.report.to_plain() if result.report else None
            print_json({**plain, "skipped": result.skipped.to_plain(), "report": report})
            return
        if result.resumed_at:
            show(f"resumed at step {result.resumed_at}")
        if result.report is not None:
            show(f"step {result.report.step}: loss {result.report.loss:.4f}, {result.seconds:.1f} s")
        if result.evaluation:
            table_console().print(figures_table(result.evaluation))
        if result.skipped_steps:
            show(f"skipped: {result.skipped_steps:,} steps, whose loss or gradient was not finite or jumped")
        if result.skipped.count:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in result.skipped.reasons.items())
            show(f"skipped: {result.skipped.count:,} samples ({reasons}); {self.out}/result.json lists them")
        show(f"checkpoint: {result.checkpoint}")

    def _task_settings(self) -> list[str]:
        """Return the assignment of --task; ConfigError for a family with one task."""
        if self.task is not None and self.model != "vilbert":
            raise ConfigError(f"--task with {self.model}, which has one task", remedy="leave --task out")
        return [] if self.task is None else [f'model.task="{self.task}"']

    def _loader_settings(self) -> list[str]:
        settings = ["loader.verify=true"] * self.verify
        if self.allow_addresses:
            settings.append(f"loader.allow_addresses={json.dumps(self.allow_addresses)}")
        return settings

    def _dry_run(self, config: "RunConfig") -> int:
        from corpusloom.pipelines.stages.select.memory_estimate import parse_size
        from corpusloom.trainers.jobs.dry_run import dry_run
        from corpusloom.trainers.jobs.train import parse_datasets

        names = tuple(parse_datasets(self.data)) if self.data else ()
        limit = None if self.device_memory is None else parse_size(self.device_memory, where="--device-memory")
        described = dry_run(config, world_size=self.world_size, datasets=names, device_memory=limit)
        if self.output.json:
            print_json(described)
        else:
            self._show_dry_run(described)
        return 0

    def _show_dry_run(self, described: dict[str, Any]) -> None:
        counts, mesh = described["parameters"], described["mesh"]
        show(f"{described['name']}: {counts['total']:,} parameters, {counts['trainable']:,} trained")
        for part, count in counts["by_part"].items():
            show(f"  {part:<24} {count:>15,}")
        shape = " x ".join(f"{name} {size}" for name, size in mesh.items())
        show(f"memory per device of {described['world_size']} ({shape}), in MB")
        for use, count in described["memory"].items():
            show(f"  {use:<24} {count / 1e6:>15,.1f}")
        show(f"{described['flops_per_step'] / 1e9:,.1f} GFLOP per device and step")
        if described.get("fits"):
            show(f"fits in {self.device_memory}")
        elif "fits" in described:
            shard = described["shard_that_fits"]
            advice = (
                f"parallel.shard={shard} does"
                if shard
                else "no shard does: more ranks, a smaller train.batch_size, \
or parallel.activation_checkpointing=true"
            )
            show(f"does not fit in {self.device_memory}; {advice}")
