"""RICES: retrieval of the shots whose images are most similar to the query's, by frozen vision features (section 3.3).

Shapes: P examples of a pool, Q images or clips, E width of the embeddings.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.prompts.pool import ShotPool
from corpusloom.trainers.stream.plan import SKIPPABLE

AT_ONCE = 64
"""Examples of a pool that are embedded together."""


class Rices:
    """Embeddings of a pool's images by a frozen image tower, computed once each."""

    def __init__(self, tower: nn.Module, pool: ShotPool) -> None:
        """Embed the pool; examples that cannot be read are left out, and InputError is raised if none is left."""
        self._tower = tower
        numbers: list[int] = []
        parts: list[np.ndarray] = []
        for first in range(0, pool.size, AT_ONCE):
            readable = _readable(pool, range(first, min(first + AT_ONCE, pool.size)))
            if readable:
                numbers += readable
                parts.append(embed(tower, list(readable.values())))
        if not parts:
            raise InputError("no image can be read", where=pool.where, remedy="check the path and the files")
        self._numbers, self._embeddings = np.array(numbers), np.concatenate(parts)

    def nearest(self, pixels: np.ndarray, without: int | None = None) -> Iterator[int]:
        """Yield the numbers of the pool's examples, the most similar to an image or clip first, but not `without`."""
        scores = self._embeddings @ embed(self._tower, [pixels])[0]
        order = self._numbers[np.argsort(-scores, kind="stable")]
        return (int(number) for number in order if number != without)


def _readable(pool: ShotPool, numbers: Sequence[int]) -> dict[int, np.ndarray]:
    """Return number -> pixels of the examples that can be read."""
    found = {}
    for number in numbers:
        try:
            found[number] = pool.read(number).pixels
        except SKIPPABLE:
            continue
    return found


@torch.no_grad()
def embed(tower: nn.Module, images: Sequence[np.ndarray]) -> np.ndarray:
    """Return the tower's embeddings of images and clips, (T, 3, S, S) uint8, a clip's the mean over frames: (Q, E).

    Their norm is 1.
    """
    device = next(tower.parameters()).device
    frames = tower(torch.from_numpy(np.concatenate(images)).to(device)).float()
    means = torch.stack([part.mean(0) for part in frames.split([len(item) for item in images])])
    return F.normalize(means, dim=-1).cpu().numpy()
