"""Scores images and texts by a CLIP: each distinct text and each distinct image is embedded once per run.

Key ranges of the selected records -> images and texts without a score -> texts, grouped -> embedded -> images, grouped
-> embedded -> cosines, which the store keeps. A killed run loses the embeddings, not the scores that it committed.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import apache_beam as beam
import numpy as np

from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.models.clip_encoder import ClipEncoder, LoadEncoder, cosines, embed_images, embed_texts
from corpusloom.pipelines.stages.scores.unscored import StoredImages, unscored_texts
from corpusloom.pipelines.stages.selected_records import SelectedRecords
from corpusloom.pipelines.store import model_scores
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.model_scores import ModelScores, score_key, text_sha256
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.records import ModelScore

NAME = "clip"
BATCH = 64
"""Images or texts per thread that are computed together, and images that are committed together."""
NOT_FINITE = "not_finite"
"""Reason of a score that is NaN or infinite."""

Embedded: TypeAlias = tuple[str, str, bytes]
"""Key of an image's URL, sha256 of a text, embedding of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScoring:
    """Configuration of the scoring by a CLIP."""

    records: SelectedRecords
    store: str
    """Folder of the image store."""
    folder: str
    """Folder of the scores in the store."""
    model: str
    """Path of the CLIP."""
    digest: str
    """Digest of its weights."""
    load: LoadEncoder
    parts: int = 1
    """Key ranges that the records are read in, a power of two."""
    threads: int = 1
    """Threads per worker; each computes whole batches."""

    def open_model(self) -> ClipEncoder:
        """Return the CLIP; ConfigError if its weights are not those that the build began with."""
        encoder = self.load(self.model)
        if encoder.identity.digest != self.digest:
            what = (
                f"the weights have the digest {encoder.identity.digest[:16]}, the build began with {self.digest[:16]}"
            )
            raise ConfigError(
                what, where=self.model, remedy="leave the model as it is during a build, and run it again"
            )
        return encoder


class _ReadUnscored(beam.DoFn):
    def __init__(self, config: ClipScoring) -> None:
        self._config = config

    def setup(self) -> None:
        store = ImageStore(self._config.store)
        self._images, self._known = StoredImages(store, store.index()), ModelScores.read(self._config.folder)

    def process(self, part: int) -> Iterator[tuple[str, tuple[str, str]]]:
        config = self._config
        for item in unscored_texts(part, config.parts, config.records, self._images, self._known):
            yield item.text, (item.sha256, item.image_key)


class _WithModel(beam.DoFn):
    """A DoFn over batches that its model computes in several threads, each on one core."""

    def __init__(self, config: ClipScoring) -> None:
        self._config = config

    def setup(self) -> None:
        self._store = ImageStore(self._config.store)
        self._index = self._store.index()
        self._pool = ThreadPoolExecutor(self._config.threads, "score", _use_one_core)

    def teardown(self) -> None:
        self._pool.shutdown()

    @cached_property
    def model(self) -> ClipEncoder:
        """Return the CLIP, which is read only if there is something to score."""
        return self._config.open_model()

    def in_threads(self, function: Any, items: Sequence[Any]) -> list[Any]:
        """Return the results of a function on batches of items, in order."""
        size = self.model.batch_size
        return list(self._pool.map(function, [items[start : start + size] for start in range(0, len(items), size)]))


def _use_one_core() -> None:
    """Set the number of torch's threads, where the model computes with torch."""
    import torch

    torch.set_num_threads(1)


class _EmbedTexts(_WithModel):
    def process(self, batch: list[tuple[str, Iterable[tuple[str, str]]]]) -> Iterator[tuple[str, Embedded]]:
        with metrics.timed("images", "texts"):
            parts = self.in_threads(lambda texts: embed_texts(self.model, texts), [text for text, _ in batch])
        for (text, images), embedding in zip(batch, (row for part in parts for row in part), strict=True):
            name, data = text_sha256(text), embedding.astype(np.float16).tobytes()
            for sha256, image_key in sorted(set(images)):
                yield sha256, (image_key, name, data)


class _ScoreImages(_WithModel):
    def process(self, batch: list[tuple[str, Iterable[Embedded]]]) -> Iterator[int]:
        with metrics.timed("images", "scores"):
            rows = [row for part in self.in_threads(self._score, batch) for row in part]
        model_scores.commit(self._config.folder, rows)
        metrics.count_outcome("images", "score", metrics.KEPT, None, len(rows))
        yield len(rows)

    def _score(self, batch: list[tuple[str, Iterable[Embedded]]]) -> list[ModelScore]:
        """Return the scores of a batch of images with all texts of each."""
        texts = [{name: (key, data) for key, name, data in sorted(found)} for _, found in batch]
        places = [min(key for key, _ in found.values()) for found in texts]
        images = [self._store.read(self._index.find(place)) for place in places]  # type: ignore[arg-type]
        embeddings, errors = embed_images(self.model, images)
        rows = []
        for number, (sha256, _) in enumerate(batch):
            found = np.stack([np.frombuffer(data, np.float16) for _, data in texts[number].values()])
            scores = [None] * len(found) if number in errors else cosines(embeddings[number], found)
            reason = errors.get(number, NOT_FINITE)
            for name, score in zip(texts[number], scores, strict=True):
                error = reason if score is None else None
                key = score_key(sha256, name)
                rows.append(ModelScore(key=key, sha256=sha256, text_sha256=name, score=score, error=error))
        return rows


def build(pipeline: beam.Pipeline, config: ClipScoring, parts: Sequence[int]) -> object:
    """Build the pipeline that scores what is missing in some key ranges."""
    size = BATCH * config.threads
    return (
        pipeline
        | "Key ranges" >> beam.Create(list(parts))
        | "Spread over workers" >> beam.Reshuffle()
        | "Read images and texts" >> beam.ParDo(_ReadUnscored(config))
        | "Group by text" >> beam.GroupByKey()
        | "Batch texts" >> beam.BatchElements(min_batch_size=size, max_batch_size=size)
        | "Embed texts" >> beam.ParDo(_EmbedTexts(config))
        | "Group by image" >> beam.GroupByKey()
        | "Batch images" >> beam.BatchElements(min_batch_size=size, max_batch_size=size)
        | "Score images" >> beam.ParDo(_ScoreImages(config))
    )
