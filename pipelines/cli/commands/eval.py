"""`loom eval`: evaluates a checkpoint."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from corpusloom.pipelines.cli.flags import OutputFlags, check_least, check_output, print_json
from corpusloom.pipelines.cli.text_tables import figures_table, table_console
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.progress import Reporter

if TYPE_CHECKING:
    from corpusloom.trainers.jobs.evaluate import EvaluationResult

EvaluationKind = Literal["zero-shot", "retrieval", "few-shot", "likelihood"]
SKIPPED_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Command:
    """Evaluate a checkpoint; each figure is printed with its value by chance and a 95 % interval.

    Examples:
      loom eval zero-shot --checkpoint runs/clip --data evaluation/imagenet
      loom eval zero-shot --checkpoint clip-vit-base-patch32 --data evaluation/imagenet
      loom eval retrieval --checkpoint runs/vilbert --data data/regions-val
      loom eval few-shot --checkpoint runs/flamingo --data data/pairs-val
      torchrun --nproc-per-node 8 -m corpusloom eval zero-shot --checkpoint runs/clip --data imagenet --out figures.json
      loom eval likelihood --checkpoint runs/lm --data texts.jsonl
      loom eval zero-shot --checkpoint runs/tuned --interpolate clip-vit-base-patch32:0.5 --data evaluation/imagenet
    """

    kind: Annotated[EvaluationKind, tyro.conf.Positional]
    """zero-shot: classification by a CLIP. retrieval: images by caption. few-shot: captions by a Flamingo.
    likelihood: texts by a language model."""
    checkpoint: Annotated[str, tyro.conf.arg(metavar="PATH")]
    """Checkpoint, folder of a run (its newest checkpoint), or a CLIP's folder in the layout of transformers or
    open_clip."""
    data: Annotated[str, tyro.conf.arg(metavar="PATH")]
    """zero-shot: a folder in CLIP_benchmark's layout (docs/formats.md). likelihood: a file with one JSON string per
    line. Otherwise a dataset of pairs or regions."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """New paths of frozen parts that moved: model.vision.checkpoint=PATH ..."""
    interpolate: Annotated[str | None, tyro.conf.arg(metavar="INITIAL:ALPHA")] = None
    """Evaluate (1 - ALPHA) * initial + ALPHA * fine-tuned weights (WiSE-FT); INITIAL is a run or folder, ALPHA 0 to
    1."""
    limit: int | None = None
    """Samples, at most."""
    shots: int = 4
    """few-shot: number of examples before each image."""
    prompt: str = "Output:"
    """few-shot: text between an image and its caption; '' for pairs as in training."""
    device: str | None = None
    """cpu, cuda ...; if not given, the fastest available."""
    dtype: Literal["fp32", "bf16"] = "fp32"
    """Precision of the forward passes; bf16: autocast."""
    batch_size: int = 64
    """Samples per rank that are computed together."""
    workers: int = 2
    """Threads per rank that read and decode."""
    out: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the figures as JSON. An evaluation that was killed resumes from the batches in FILE.partial."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Evaluate."""
        for flag, value, least in (
            ("--limit", self.limit, 1),
            ("--shots", self.shots, 0),
            ("--batch-size", self.batch_size, 1),
            ("--workers", self.workers, 1),
        ):
            check_least(flag, value, least)
        if self.out is not None:
            check_output("--out", self.out)
        extras.require("train", extras.TRAIN, "loom eval")
        from corpusloom.trainers.evaluation.batches import EvaluationSettings
        from corpusloom.trainers.jobs.evaluate import evaluate
        from corpusloom.trainers.jobs.interpolate import parse_interpolation
        from corpusloom.trainers.training import distributed

        settings = EvaluationSettings(
            limit=self.limit,
            batch_size=self.batch_size,
            workers=self.workers,
            precision=self.dtype,
            shots=self.shots,
            prompt=self.prompt,
        )
        mixed = None if self.interpolate is None else parse_interpolation(self.interpolate)
        first = distributed.prints()
        reporter = self.output.reporter() if first else Reporter(quiet=True)
        with reporter.stage(self.kind):
            result = evaluate(
                self.kind,
                self.checkpoint,
                self.data,
                settings,
                assignments=self.set,
                interpolation=mixed,
                device=self.device,
                out=self.out,
            )
        if first:
            self._show(result, reporter)
        return 0

    def _show(self, result: "EvaluationResult", reporter: Reporter) -> None:
        """Print the figures, and the samples that are left out."""
        if result.reused:
            reporter.note(f"  {result.reused:,} batches were finished before")
        if result.skipped:
            listed = ", ".join(result.skipped[:SKIPPED_SHOWN]) + (" ..." if len(result.skipped) > SKIPPED_SHOWN else "")
            reporter.warn(f"  {len(result.skipped):,} samples could not be read: {listed}")
        if self.output.json:
            print_json(result.figures)
        else:
            table_console().print(figures_table(result.figures))
