"""Embeds the images and texts of a dataset into a sidecar; `loom embed` calls it, with or without torchrun."""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.images.embeddings.manifest import PartEntry, default_folder, is_finished, make_identity
from corpusloom.schemas.images.embeddings.parts import SKIPPED_TABLE
from corpusloom.schemas.images.embeddings.sidecar import EmbeddingSidecar, open_sidecar
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.embedding.encoder import Encoder
from corpusloom.trainers.embedding.finish import check_folder, commit
from corpusloom.trainers.embedding.pair_scores import write_scores
from corpusloom.trainers.embedding.parts import Progress, image_writer, text_writer
from corpusloom.trainers.embedding.plan import EmbeddingPlan, make_plan
from corpusloom.trainers.jobs.evaluate import family_of
from corpusloom.trainers.stream.sample_reader import ReaderConfig, SampleReader
from corpusloom.trainers.training import collectives
from corpusloom.trainers.training.observe.heartbeat import watched_session

QUANTILES = {"min": 0.0, "p05": 0.05, "p50": 0.5, "p95": 0.95, "max": 1.0}


class ShowStage(Protocol):
    """Shows the progress of a stage, as `Reporter.stage` does."""

    def __call__(
        self, name: str, total: int | None = None, done: Callable[[], int] | None = None, unit: str = ""
    ) -> contextlib.AbstractContextManager[None]:
        """Return a context that lasts as long as the stage."""


@contextlib.contextmanager
def _silent(
    name: str, total: int | None = None, done: Callable[[], int] | None = None, unit: str = ""
) -> Iterator[None]:
    yield


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingSettings:
    """Settings of an embedding run; the embeddings depend on `precision`, and on `batch_size` by rounding alone."""

    batch_size: int = 64
    """Images per forward pass."""
    workers: int | None = None
    """Threads per rank, each of which decodes a batch and embeds it; None: one per core that the rank has."""
    precision: str = "fp32"
    """fp32, or bf16 autocast."""
    allow_addresses: tuple[str, ...] = ()
    """Private networks whose servers an index of foreign tars may name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingResult:
    """Counts of a finished sidecar."""

    out: str
    images: int
    texts: int
    pairs: int
    skipped: int
    reasons: dict[str, int]
    """Reason -> number of images and texts without an embedding."""
    scores: dict[str, float]
    """Quantiles and mean of the scores of pairs; empty without pairs."""
    reused: int
    """Embeddings that were there before."""


def embed(
    dataset: str,
    checkpoint: str,
    out: str | None = None,
    settings: EmbeddingSettings | None = None,
    *,
    device: str | None = None,
    stages: ShowStage = _silent,
) -> EmbeddingResult:
    """Embed every distinct image and, for pairs, every distinct text of a dataset, and score the pairs.

    Under torchrun the ranks share the parts; every rank calls this and gets the result. A run that was killed resumes
    at the parts that it finished. Raises InputError if `out` holds embeddings of another dataset or model.
    """
    settings, out = settings or EmbeddingSettings(), out or default_folder(dataset)
    check_family(checkpoint)
    reader = SampleReader(ReaderConfig(paths=(dataset,), allow_addresses=settings.allow_addresses))
    with contextlib.closing(reader), watched_session(device) as place:
        model, tokenizer = load_clip(checkpoint)
        encoder = Encoder(
            model.to(place), tokenizer, path=checkpoint, precision=settings.precision, batch_size=settings.batch_size
        )
        digest = reader.indexes[0].digest
        collectives.on_rank_0(lambda: check_folder(out, digest, encoder.identity))
        if is_finished(out):
            sidecar = open_sidecar(out)
            return _result(sidecar, reused=_rows(sidecar.manifest.images) + _rows(sidecar.manifest.texts))
        with stages("plan"):
            plan = make_plan(reader)
        reused = _write_parts(plan, reader, encoder, out, make_identity(digest, encoder.identity), settings, stages)
        collectives.on_rank_0(lambda: commit(out, reader.indexes[0], encoder.identity, plan.unread))
        return _result(open_sidecar(out), reused)


def check_family(checkpoint: str) -> None:
    """Raise ConfigError unless a checkpoint or model folder is that of a CLIP."""
    family = family_of(checkpoint)
    if family != "clip":
        raise ConfigError(f"a {family} has no embeddings of images", where=checkpoint, remedy="give a CLIP")


def _write_parts(
    plan: EmbeddingPlan,
    reader: SampleReader,
    encoder: Encoder,
    out: str,
    identity: str,
    settings: EmbeddingSettings,
    stages: ShowStage,
) -> int:
    """Write the parts of this rank that are not finished; return how many rows were, over all ranks."""
    writers = image_writer(plan, reader, encoder, out, identity), text_writer(plan, encoder, out, identity)
    for writer in writers:
        if writer.rows:
            with stages(writer.kind, writer.own_rows(), writer.done, writer.kind):
                collectives.together(partial(writer.run, settings.workers or cores()))
    reused = sum(writer.progress.reused for writer in writers)
    if len(plan.pairs):
        progress = Progress()
        with stages("scores", None, lambda: progress.done, "pairs"):
            collectives.together(lambda: write_scores(plan, reader, out, identity, progress))
    return int(collectives.totals({"reused": reused})["reused"])


def cores() -> int:
    """Return the number of cores that this rank may use."""
    return max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _rows(parts: tuple[PartEntry, ...]) -> int:
    return sum(part.rows for part in parts)


def _result(sidecar: EmbeddingSidecar, reused: int) -> EmbeddingResult:
    manifest = sidecar.manifest
    reasons = Counter(tables.read_table(storage.join(sidecar.folder, SKIPPED_TABLE), ["reason"])["reason"].to_pylist())
    return EmbeddingResult(
        out=sidecar.folder,
        images=_rows(manifest.images),
        texts=_rows(manifest.texts),
        pairs=_rows(manifest.scores),
        skipped=manifest.skipped,
        reasons=dict(reasons),
        scores=summary(sidecar) if manifest.scores else {},
        reused=reused,
    )


def summary(sidecar: EmbeddingSidecar) -> dict[str, float]:
    """Return quantiles and mean of a sidecar's scores."""
    scores: Any = sidecar.scores().column("score").drop_null().to_numpy()
    if not len(scores):
        return {}
    found = dict(zip(QUANTILES, np.quantile(scores, list(QUANTILES.values())).tolist(), strict=True))
    return found | {"mean": float(scores.mean(dtype=np.float64))}
