"""`loom eval`: evaluates a checkpoint."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from corpusloom.pipelines.cli.flags import OutputFlags, check_least, print_json
from corpusloom.pipelines.engine import extras

EvaluationKind = Literal["zero-shot", "retrieval", "few-shot", "likelihood"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Evaluate a checkpoint; each figure is printed with its value by chance and a 95 % interval.

    Examples:
      loom eval zero-shot --checkpoint runs/clip --data evaluation/imagenet
      loom eval zero-shot --checkpoint clip-vit-base-patch32 --data evaluation/imagenet
      loom eval retrieval --checkpoint runs/vilbert --data data/regions-val
      loom eval few-shot --checkpoint runs/flamingo --data data/pairs-val
      loom eval likelihood --checkpoint runs/lm --data texts.jsonl
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
    limit: int | None = None
    """Samples, at most."""
    shots: int = 4
    """few-shot: number of examples before each image."""
    prompt: str = "Output:"
    """few-shot: text between an image and its caption; '' for pairs as in training."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Evaluate."""
        check_least("--limit", self.limit, 1)
        check_least("--shots", self.shots, 0)
        extras.require("train", extras.TRAIN, "loom eval")
        from corpusloom.trainers.evaluate import FewShot, evaluate

        few_shot = FewShot(shots=self.shots, prompt=self.prompt)
        with self.output.reporter().stage(self.kind):
            figures = evaluate(self.kind, self.checkpoint, self.data, limit=self.limit, few_shot=few_shot)
        if self.output.json:
            print_json(figures)
            return 0
        from corpusloom.pipelines.cli.text_tables import figures_table, table_console

        table_console().print(figures_table(figures))
        return 0
