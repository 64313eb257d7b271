"""Finds the images of a dataset that are nearest to a text or to an image; `loom search` calls it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError, LoomError
from corpusloom.schemas.images.embeddings.manifest import EmbeddingModel, default_folder, is_finished
from corpusloom.schemas.images.embeddings.nearest import nearest
from corpusloom.schemas.images.embeddings.sidecar import open_sidecar
from corpusloom.schemas.images.errors import ImageError
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.embedding.encoder import Encoder
from corpusloom.trainers.embedding.hits import SearchHit, describe_hits, image_of
from corpusloom.trainers.embedding.search_page import SearchGroup, render_search
from corpusloom.trainers.jobs.embed import check_family
from corpusloom.trainers.stream.sample_reader import ReaderConfig, SampleReader
from corpusloom.trainers.training import distributed

QUERIES_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchResult:
    """The nearest images of each query."""

    dataset: str
    images: int
    """Images that were searched."""
    queries: tuple[str, ...]
    """Texts, or paths of images."""
    hits: tuple[tuple[SearchHit, ...], ...]
    """Per query its hits, best first."""
    seconds: float
    """Seconds of the search, without loading the model."""

    def note(self) -> str:
        """Return a line on what was searched."""
        return f"{self.images:,} images searched in {self.seconds:.2f} s"


def search(
    dataset: str,
    texts: Sequence[str] = (),
    images: Sequence[str] = (),
    *,
    k: int = 20,
    checkpoint: str | None = None,
    embeddings: str | None = None,
    device: str | None = None,
    html: str | None = None,
) -> SearchResult:
    """Return the `k` images nearest to each text, then to each image file, by exact search in float32.

    `checkpoint` is the path of the model that made the embeddings; None: the path that it had then. `html` is a file
    for a page of the images. Raises InputError without finished embeddings, or if the dataset has changed since, and
    ConfigError for another model.
    """
    folder = embeddings or default_folder(dataset)
    if not is_finished(folder):
        remedy = f"run loom embed {dataset} --checkpoint PATH"
        raise InputError("no finished embeddings to search", where=folder, remedy=remedy)
    reader = SampleReader(ReaderConfig(paths=(dataset,)))
    try:
        sidecar = open_sidecar(folder, reader.indexes[0].digest)
        encoder = load_encoder(sidecar.manifest.model, checkpoint, folder, device)
        queries = np.concatenate([_of_texts(encoder, texts), _of_images(encoder, images)])
        start = time.monotonic()
        found = [
            hits
            for at in range(0, len(queries), QUERIES_AT_ONCE)
            for hits in nearest(sidecar, queries[at : at + QUERIES_AT_ONCE], k)
        ]
        seconds = time.monotonic() - start
        result = SearchResult(
            dataset=dataset,
            images=sum(part.rows for part in sidecar.manifest.images),
            queries=(*texts, *images),
            hits=tuple(tuple(describe_hits(reader, near)) for near in found),
            seconds=seconds,
        )
        if html is not None:
            storage.write_bytes(html, _page(reader, result, len(texts)).encode())
    finally:
        reader.close()
    return result


def _page(reader: SampleReader, result: SearchResult, texts: int) -> str:
    groups = [
        SearchGroup(
            query=query,
            image=None if number < texts else storage.read_bytes(query),
            hits=[(hit, image_of(reader, hit)) for hit in hits],
        )
        for number, (query, hits) in enumerate(zip(result.queries, result.hits, strict=True))
    ]
    return render_search(result.dataset, result.note(), groups)


def load_encoder(model: EmbeddingModel, checkpoint: str | None, where: str, device: str | None = None) -> Encoder:
    """Return the model that made embeddings, from `checkpoint` or its path then; ConfigError if it is another one."""
    path = checkpoint or model.path
    remedy = "give --checkpoint PATH of the model, or embed the dataset anew"
    try:
        check_family(path)
        loaded, tokenizer = load_clip(path)
    except LoomError as error:
        if checkpoint is not None:
            raise
        what = f"the model of the embeddings cannot be read from {path}: {error.what}"
        raise ConfigError(what, where=where, remedy=remedy) from error
    encoder = Encoder(loaded.to(distributed.pick_device(device)), tokenizer, path=path, precision=model.dtype)
    if encoder.identity.digest != model.digest:
        raise ConfigError(f"{path} is not the model that made the embeddings", where=where, remedy=remedy)
    return encoder


def _of_texts(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    return encoder.texts(texts) if texts else np.zeros((0, encoder.identity.width), np.float16)


def _of_images(encoder: Encoder, paths: Sequence[str]) -> np.ndarray:
    rows = [np.zeros((0, encoder.identity.width), np.float16)]
    for path in paths:
        try:
            pixels = encoder.prepare(storage.read_bytes(path))
        except ImageError as error:
            raise InputError(f"not an image that can be decoded: {error}", where=path, remedy="give another") from error
        rows.append(encoder.images(pixels[None]))
    return np.concatenate(rows)
