"""Finds the images of a dataset that are nearest to a text or to an image; `loom search` calls it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError, LoomError
from corpusloom.schemas.images.embeddings.manifest import EmbeddingModel, default_folder, is_finished
from corpusloom.schemas.images.embeddings.nearest import Neighbour, nearest
from corpusloom.schemas.images.embeddings.sidecar import EmbeddingSidecar, open_sidecar
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.layout import member_name
from corpusloom.schemas.records import ShardEntry
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.embedding.encoder import Encoder
from corpusloom.trainers.jobs.embed import check_family
from corpusloom.trainers.stream.plan import SamplePlace
from corpusloom.trainers.stream.reading.index import read_sidecar
from corpusloom.trainers.stream.sample_reader import ReaderConfig, SampleReader
from corpusloom.trainers.training import distributed

QUERIES_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchHit:
    """An image that a search found."""

    rank: int
    score: float
    """Cosine of the embeddings of query and image."""
    key: str
    """Key of the sample that shows the image first."""
    field: str
    sha256: str
    url: str | None
    """URL of the image; of an index of foreign tars what its sidecar says."""
    caption: str | None


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


def search(
    dataset: str,
    texts: Sequence[str] = (),
    images: Sequence[str] = (),
    *,
    k: int = 20,
    checkpoint: str | None = None,
    embeddings: str | None = None,
    device: str | None = None,
) -> SearchResult:
    """Return the `k` images nearest to each text, then to each image file, by exact search in float32.

    `checkpoint` is the path of the model that made the embeddings; None: where it was then. Raises InputError without
    embeddings, or if the dataset has changed since, and ConfigError for another model.
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
        hits = tuple(tuple(_described(reader, sidecar, near)) for near in found)
    finally:
        reader.close()
    count = sum(part.rows for part in sidecar.manifest.images)
    return SearchResult(dataset=dataset, images=count, queries=(*texts, *images), hits=hits, seconds=seconds)


def load_encoder(model: EmbeddingModel, checkpoint: str | None, where: str, device: str | None = None) -> Encoder:
    """Return the model that made embeddings, from a path or from where it was; ConfigError if it is another one."""
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


def _described(reader: SampleReader, sidecar: EmbeddingSidecar, found: Sequence[Neighbour]) -> list[SearchHit]:
    """Return neighbours with URL and caption, from the dataset's sidecars or, for pages, the samples' JSON."""
    (index,) = reader.indexes
    shards = {shard.index: (number, shard) for number, shard in enumerate(index.shards)}
    return [
        SearchHit(
            rank=rank, score=near.score, key=near.key, field=near.field, sha256=near.sha256,
            **_origin(reader, *shards[near.shard], near),
        )
        for rank, near in enumerate(found, 1)
    ]  # fmt: skip


def _origin(reader: SampleReader, number: int, shard: ShardEntry, near: Neighbour) -> dict[str, Any]:
    """Return URL and caption of an image."""
    (index,) = reader.indexes
    table = read_sidecar(index.path, shard, ["key", "url", "caption"])
    row = table.column("key").to_pylist().index(near.key)
    own = table.slice(row, 1).to_pylist()[0]
    if index.kind == "interleaved":
        info = reader.sample(SamplePlace(row, 0, 0, number, row)).info.get("image_info") or []
        name = member_name(near.key, near.field)
        for item in info:
            if isinstance(item, dict) and item.get("name") == name:
                return {"url": item.get("url"), "caption": item.get("caption") or item.get("alt_text")}
    return {"url": own["url"], "caption": own["caption"]}
