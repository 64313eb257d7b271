"""Reads image files for prompts."""

import numpy as np

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.images.errors import ImageError
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.stream.samples.typed import PairSample


def read_image(path: str, transform: FlamingoTransform) -> np.ndarray:
    """Return an image file as the model sees it, (1, 3, S, S) uint8; `transform` does not augment.

    Raises InputError that names a file that is absent or cannot be decoded.
    """
    if not storage.exists(path):
        raise InputError("no such image", where=path, remedy="check the path")
    try:
        sample = PairSample(path, storage.read_bytes(path), "", {})
        return transform(sample, np.random.default_rng(0))["images"][0]
    except ImageError as error:
        raise InputError(f"the image cannot be decoded: {error}", where=path, remedy="leave it out") from error
