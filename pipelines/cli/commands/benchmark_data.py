"""`loom benchmark-data`: writes the training split of a benchmark as a dataset, to fine-tune a Flamingo on it."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from corpusloom.pipelines.cli.flags import check_least, print_json
from corpusloom.pipelines.datasets.write_dataset import write_dataset
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.printing import show
from corpusloom.pipelines.engine.progress import Reporter


@dataclass(frozen=True, kw_only=True)
class Command:
    """Write the training split of a benchmark as a dataset, to fine-tune a Flamingo on it.

    Each sample has an image or the frames of a video, the benchmark's prompt, and the answers: training draws one of
    them each time, and the loss is that of the answer alone.

    Examples:
      loom benchmark-data okvqa --data okvqa --out data/okvqa
      loom benchmark-data msvdqa --data msvd --frames 16 --side 320 --out data/msvdqa
      loom train flamingo --config flamingo-adapt --set model.init=runs/flamingo --data data/okvqa --out runs/adapted
    """

    benchmark: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Name of a benchmark, such as coco or vqav2 (docs/formats.md lists them)."""
    data: Annotated[str, tyro.conf.arg(metavar="FOLDER")]
    """Folder of the benchmark's files."""
    out: Annotated[str, tyro.conf.arg(metavar="FOLDER")]
    """Folder of the dataset: a new one."""
    split: str | None = None
    """Split of the benchmark; if not given, the one from which loom eval takes examples."""
    frames: Annotated[int, tyro.conf.arg(metavar="N")] = 30
    """Frames per video, spread over it."""
    side: Annotated[int, tyro.conf.arg(metavar="PIXELS")] = 480
    """Longer side of a video's frames, at most; images stay as they are."""
    json: bool = False
    """Print the result as JSON."""

    def run(self) -> int:
        """Write the dataset and print the counts."""
        check_least("--frames", self.frames, 1)
        check_least("--side", self.side, 1)
        extras.require("train", extras.TRAIN, "loom benchmark-data")
        from corpusloom.trainers.flamingo.benchmarks.training_split import open_training_split

        split = open_training_split(self.benchmark, self.data, self.split, frames=self.frames, side=self.side)
        done = [0]

        def tick() -> None:
            done[0] += 1

        with Reporter(quiet=self.json).stage("write", len(split.items), lambda: done[0], unit="samples"):
            manifest = write_dataset(
                self.out,
                list(split.items),
                split.read,
                recipe="benchmark",
                kind=split.kind,
                config={"benchmark": split.name, "frames": self.frames, "side": self.side},
                on_sample=tick,
            )
        if self.json:
            print_json({"samples": manifest.samples, "kind": split.kind, "skipped": dict(split.skipped)})
            return 0
        show(f"{self.out}: {manifest.samples:,} samples of {split.kind}, of {split.name}")
        for reason, count in sorted(split.skipped.items()):
            show(f"  left out: {count:,} records ({reason})")
        return 0
