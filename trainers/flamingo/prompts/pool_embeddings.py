"""The embeddings that `loom embed` wrote beside a pool's dataset: with them RICES reads no image of the pool.

Shapes: Q queries, E width of the embeddings.
"""

import numpy as np
import torch
from torch import nn

from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.images.embeddings.manifest import default_folder, is_finished
from corpusloom.schemas.images.embeddings.nearest import nearest
from corpusloom.schemas.images.embeddings.sidecar import EmbeddingSidecar, open_sidecar
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.flamingo.prompts.pool import ShotPool


def find_embeddings(pool: ShotPool, tower: nn.Module) -> EmbeddingSidecar | None:
    """Return the embeddings beside a pool, if they are finished, of its present state, and by the same image tower."""
    folder = default_folder(pool.where)
    if pool.digest is None or not is_finished(folder):
        return None
    try:
        sidecar = open_sidecar(folder, pool.digest)
        other = load_clip(sidecar.manifest.model.path)[0].image
    except LoomError:
        return None
    return sidecar if _have_equal_weights(tower, other) else None


def _have_equal_weights(tower: nn.Module, other: nn.Module) -> bool:
    own, others = tower.state_dict(), other.state_dict()
    return own.keys() == others.keys() and all(torch.equal(value.cpu(), others[name]) for name, value in own.items())


def nearest_examples(sidecar: EmbeddingSidecar, queries: np.ndarray, pool: ShotPool, count: int) -> list[list[int]]:
    """Return per query, (Q, E) of norm 1, the numbers of the nearest examples, best first; `count` images are compared.

    Examples of one image are one neighbour, the first of them; so are the frames of a clip.
    """
    numbers = {key: number for number, key in reversed(list(enumerate(pool.keys())))}
    found = nearest(sidecar, queries, count)
    return [list(dict.fromkeys(numbers[near.key] for near in row if near.key in numbers)) for row in found]
