"""CLIP scores: the Protocol of a CLIP, and the cosines of its embeddings of images and texts.

`pipelines` imports no trainer. The command line gives the function that reads a CLIP, and Beam sends that function,
not the model, to its workers.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.images.embeddings.manifest import EmbeddingModel
from corpusloom.schemas.images.errors import ImageError

DIGITS = 4
"""Decimals of a score."""


class ClipEncoder(Protocol):
    """A CLIP on one device. An embedding depends neither on the other rows of its batch nor on threads."""

    batch_size: int
    """Images or texts per forward pass."""
    identity: EmbeddingModel

    def prepare(self, data: bytes) -> np.ndarray:
        """Return an encoded image as the model sees it: -> (3, H, W) uint8; ImageError if it cannot be decoded."""

    def images(self, pixels: np.ndarray) -> np.ndarray:
        """Return the embeddings of at most `batch_size` images: (N, 3, H, W) uint8 -> (N, E), of norm 1."""

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings of texts: (N, E), of norm 1; a text is cut at the context of the model."""


LoadEncoder: TypeAlias = Callable[[str], ClipEncoder]
"""Reads the CLIP of a path. It is picklable; errors are InputError and ConfigError."""


def embed_texts(encoder: ClipEncoder, texts: Sequence[str]) -> np.ndarray:
    """Return the embeddings of texts, (N, E); ConfigError if the model returns another shape."""
    return _checked(encoder, encoder.texts(texts), len(texts))


def embed_images(encoder: ClipEncoder, images: Sequence[bytes]) -> tuple[np.ndarray, dict[int, str]]:
    """Return the embeddings of encoded images, (N, E), and number -> reason of those that cannot be decoded.

    The row of an image that cannot be decoded is 0.
    """
    side = encoder.identity.image_size
    pixels, errors = np.zeros((len(images), 3, side, side), np.uint8), {}
    for number, data in enumerate(images):
        try:
            pixels[number] = encoder.prepare(data)
        except ImageError as error:
            errors[number] = error.reason
    size = encoder.batch_size
    parts = [encoder.images(pixels[start : start + size]) for start in range(0, len(pixels), size)]
    found = _checked(encoder, np.concatenate(parts), len(images))
    found[list(errors)] = 0
    return found, errors


def _checked(encoder: ClipEncoder, embeddings: np.ndarray, rows: int) -> np.ndarray:
    """Return the embeddings of `rows` inputs; ConfigError for another shape."""
    expected = (rows, encoder.identity.width)
    if embeddings.shape != expected:
        what = f"the CLIP returned embeddings of the shape {embeddings.shape}, not {expected}"
        raise ConfigError(what, where=encoder.identity.path, remedy="give a CLIP that loom embed can use")
    return embeddings


def cosines(image: np.ndarray, texts: np.ndarray) -> list[float | None]:
    """Return the cosines of an image (E,) and texts (N, E), of norm 1, rounded; None where one is not finite.

    The sum is in float64 and in an order of its own, so it does not depend on a BLAS library.
    """
    sums = (image.astype(np.float64) * texts.astype(np.float64)).sum(1)
    return [
        round(value, DIGITS) + 0.0 if finite else None
        for value, finite in zip(sums.tolist(), np.isfinite(sums), strict=True)
    ]
