"""`loom embed`: writes embeddings of a dataset's images and texts into a sidecar."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from corpusloom.pipelines.cli.flags import OutputFlags, check_least, print_json
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.printing import show
from corpusloom.pipelines.engine.progress import Reporter

if TYPE_CHECKING:
    from corpusloom.trainers.jobs.embed import EmbeddingResult


@dataclass(frozen=True, kw_only=True)
class Command:
    """Embed a dataset's images, and of pairs the texts, by a CLIP; each pair gets the cosine of the two as its score.

    An image that occurs several times is embedded once. A run that was killed resumes. `loom search` reads the result.

    Examples:
      loom embed data/align --checkpoint runs/clip
      loom embed data/m3w --checkpoint clip-vit-base-patch32 --out embeddings/m3w --dtype bf16
      torchrun --nproc-per-node 8 -m corpusloom embed data/align --checkpoint runs/clip
    """

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """Folder or URL of a dataset of any kind."""
    checkpoint: Annotated[str, tyro.conf.arg(metavar="PATH")]
    """Checkpoint of a CLIP, folder of a run (its newest checkpoint), or folder in the layout of transformers or
    open_clip."""
    out: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of the embeddings; if not given, DATASET.embeddings."""
    device: str | None = None
    """cpu, cuda ...; if not given, the fastest available."""
    dtype: Literal["fp32", "bf16"] = "fp32"
    """Precision of the forward passes; bf16: autocast. Embeddings are stored as float16."""
    batch_size: int = 64
    """Images per forward pass."""
    workers: int | None = None
    """Threads per rank, each of which decodes a batch and embeds it; if not given, one per core."""
    allow_addresses: tuple[str, ...] = ()
    """Private networks (NET or NET:PORT) whose servers an index of foreign tars may name."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Embed."""
        check_least("--batch-size", self.batch_size, 1)
        check_least("--workers", self.workers, 1)
        extras.require("train", extras.TRAIN, "loom embed")
        from corpusloom.pipelines.store.lineage import record_made
        from corpusloom.schemas.images.embeddings.manifest import default_folder
        from corpusloom.trainers.jobs.embed import EmbeddingSettings, embed
        from corpusloom.trainers.training import distributed

        first = distributed.prints()
        reporter = self.output.reporter() if first else Reporter(quiet=True)
        settings = EmbeddingSettings(
            batch_size=self.batch_size,
            workers=self.workers,
            precision=self.dtype,
            allow_addresses=self.allow_addresses,
        )
        if first:
            record_made(self.dataset, "embeddings", self.out or default_folder(self.dataset))  # loom forget reaches it
        result = embed(self.dataset, self.checkpoint, self.out, settings, device=self.device, stages=reporter.stage)
        if first:
            self._show(result, reporter)
        return 0

    def _show(self, result: "EmbeddingResult", reporter: Reporter) -> None:
        """Print counts, and the distribution of the scores."""
        if result.reused:
            reporter.note(f"  {result.reused:,} embeddings were there before")
        if result.skipped:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in result.reasons.items())
            reporter.warn(f"  {result.skipped:,} have no embedding ({reasons}): skipped.parquet lists them")
        if self.output.json:
            print_json(result)
            return
        show(f"{result.out}: embeddings of {result.images:,} images and {result.texts:,} texts")
        if result.scores:
            show(f"scores of {result.pairs:,} pairs: " + ", ".join(f"{n} {v:.3f}" for n, v in result.scores.items()))
