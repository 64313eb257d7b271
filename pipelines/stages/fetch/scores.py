"""Scores stored images by a model: each image once per model; the store keeps the scores."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam

from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.models.image_scorer import BATCH, score_images
from corpusloom.pipelines.models.scorer_registry import load_scorer
from corpusloom.pipelines.store.images.frontier import missing_images
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas.records import ImageRecord, ImageScore


def check_scorer(store: ImageStore, model: str) -> None:
    """Raise ConfigError for a scorer that is not installed, or whose identity differs from that of stored scores."""
    store.claim_scores(model, load_scorer(model).identity)


def missing_scores(store: ImageStore, keys: Iterable[str], model: str) -> list[list[ImageRecord]]:
    """Return the stored images among `keys` that the model has not scored yet, in batches."""
    return missing_images(store, keys, store.scores(model), 4 * BATCH)


class _ScoreBatch(beam.DoFn):
    def __init__(self, store: str, model: str) -> None:
        self._folder, self._model = store, model

    def setup(self) -> None:
        self._store, self._scorer = ImageStore(self._folder), load_scorer(self._model)

    def process(self, batch: list[ImageRecord]) -> Iterator[int]:
        with metrics.timed("images", "scores"):
            scores = score_images([self._store.read(record) for record in batch], self._scorer)
        rows = [
            ImageScore(sha256=record.sha256 or "", model=self._model, score=score)
            for record, score in zip(batch, scores, strict=True)
        ]
        self._store.commit_scores(self._model, rows)
        metrics.count_outcome("images", "score", metrics.KEPT, None, len(rows))
        yield len(rows)


@dataclass(kw_only=True, eq=False)
class ScoreImages(beam.PTransform):
    """Score batches of stored images; the scores of a batch are committed together.

    Args:
      store: Folder of the image store.
      model: Name of the scorer.
    """

    store: str
    model: str

    def expand(self, batches: beam.PCollection[list[ImageRecord]]) -> beam.PCollection[int]:
        """Spread the batches over workers and score each image."""
        return (
            batches | "Spread batches" >> beam.Reshuffle() | "Score" >> beam.ParDo(_ScoreBatch(self.store, self.model))
        )


def build(pipeline: beam.Pipeline, store: str, model: str, batches: list[list[ImageRecord]]) -> object:
    """Build the pipeline that computes the missing scores of a model."""
    return pipeline | "Images" >> beam.Create(batches) | "ScoreImages" >> ScoreImages(store=store, model=model)
