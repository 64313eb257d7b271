"""RICES: retrieval of the shots whose images are most similar to the query's, by frozen vision features (section 3.3).

Shapes: P examples of a pool, Q images or clips, E width of the embeddings.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.prompts.episodes import Example
from corpusloom.trainers.flamingo.prompts.pool import ShotPool
from corpusloom.trainers.flamingo.prompts.pool_embeddings import find_embeddings, nearest_examples
from corpusloom.trainers.stream.plan import SKIPPABLE

AT_ONCE = 64
"""Images that are embedded, and queries that are compared, together."""
MARGIN = 32
"""Neighbours beyond the shots: in place of the query itself, its copies, and images that cannot be read."""


def most_similar(tower: nn.Module, queries: Sequence[Example], pool: ShotPool, shots: int) -> list[list[int]]:
    """Return per query the numbers of the pool's examples with the most similar images, at least `shots`, best first.

    Each image is embedded once, or read from the embeddings that `loom embed` wrote beside the pool, if they are by the
    same image tower. Raises InputError if no image of the pool can be read.
    """
    embedded = find_embeddings(pool, tower)
    if embedded is not None:
        own = np.concatenate(list(_embed_queries(tower, queries)))
        return nearest_examples(embedded, own, pool, shots + MARGIN)
    return nearest(tower, queries, embed_pool(tower, pool), shots)


def nearest(
    tower: nn.Module, queries: Sequence[Example], pool: tuple[np.ndarray, np.ndarray], shots: int
) -> list[list[int]]:
    """Return the same, given the numbers and the embeddings of the pool's examples."""
    numbers, embeddings = pool
    found, wanted = [], min(shots + MARGIN, len(numbers))
    for part in _embed_queries(tower, queries):
        scores = part @ embeddings.T
        found += numbers[torch.from_numpy(scores).topk(wanted).indices.numpy()].tolist()
    return found


def _embed_queries(tower: nn.Module, queries: Sequence[Example]) -> Iterator[np.ndarray]:
    for at in range(0, len(queries), AT_ONCE):
        yield embed(tower, [query.pixels for query in queries[at : at + AT_ONCE]])


def embed_pool(tower: nn.Module, pool: ShotPool) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the examples that can be read, and their embeddings, (P,) int and (P, E)."""
    numbers: list[int] = []
    parts: list[np.ndarray] = []
    for at in range(0, pool.size, AT_ONCE):
        pixels = {}
        for number in range(at, min(at + AT_ONCE, pool.size)):
            try:
                pixels[number] = pool.read(number).pixels
            except SKIPPABLE:
                continue
        if pixels:
            numbers += pixels
            parts.append(embed(tower, list(pixels.values())))
    if not parts:
        raise InputError("no image can be read", where=pool.where, remedy="check the path and the files")
    return np.array(numbers), np.concatenate(parts)


@torch.no_grad()
def embed(tower: nn.Module, images: Sequence[np.ndarray]) -> np.ndarray:
    """Return the tower's embeddings of images and clips, (T, 3, S, S) uint8, a clip's the mean over frames: (Q, E).

    Their norm is 1.
    """
    device = next(tower.parameters()).device
    frames = tower(torch.from_numpy(np.concatenate(images)).to(device)).float()
    means = torch.stack([part.mean(0) for part in frames.split([len(item) for item in images])])
    return F.normalize(means, dim=-1).cpu().numpy()
