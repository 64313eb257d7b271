"""Detectors of transformers from a local folder: DETR, RT-DETR, YOLOS and others that predict a box per query.

A region's feature is the decoder's last hidden state of its query. Each image is one forward pass on one thread in the
size that the folder's preprocessor_config.json gives, so outputs depend on the image alone. Nothing is downloaded, and
neither code nor pickles of the folder are executed.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
from PIL import Image

from corpusloom.pipelines.models.identity import ModelIdentity
from corpusloom.pipelines.models.one_thread import one_thread
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
_WEIGHTS = ".safetensors"
_KEY = "regions.detector"
_MAX_CARD = 20_000
"""Characters of a detector's README.md that are read, at most."""
_HEAD = re.compile(r"---\n(.*?)\n---\n", re.DOTALL)
_LICENCE = re.compile(r"^license: *(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Queries:
    """The outputs of a detector for one image: Q queries, H hidden values, C classes in the order of the model."""

    boxes: np.ndarray
    """(Q, 4) x1 y1 x2 y2 in pixels of the image, cut to it."""
    features: np.ndarray
    """(Q, H), the last hidden state."""
    class_probs: np.ndarray
    """(Q, C), the softmax of the logits; DETR's last class is "no object"."""
    scores: np.ndarray
    """(Q,), the largest probability of an object's class."""


class QueryDetector:
    """A detector in a folder, loaded on first use."""

    def __init__(self, folder: str) -> None:
        """Check the folder's files; a folder that holds no such detector is a ConfigError."""
        self._folder = folder
        if not storage.is_local(folder) or not storage.is_folder(folder):
            remedy = "download the detector; the name of the one that ships is efficientnet-lite0"
            raise ConfigError("no such local folder", where=f"{_KEY}={folder}", remedy=remedy)
        self._config = self._json(CONFIG)
        self._steps = self._json(PREPROCESSOR)
        self._weights = storage.listing(folder, _WEIGHTS)
        if not self._weights:
            raise ConfigError("holds no *.safetensors", where=folder, remedy="save the model with safetensors")
        from transformers.models.auto.modeling_auto import MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES as KNOWN

        self._name = str(self._config.get("model_type"))
        if KNOWN.get(self._name) not in (self._config.get("architectures") or [None]):
            raise ConfigError(
                f"is no detector but {self._name}: {self._config.get('architectures')}",
                where=folder,
                remedy="give a folder of a model such as DetrForObjectDetection",
            )
        self._size()

    def _json(self, name: str) -> dict[str, Any]:
        """Return a JSON file of the folder."""
        path = storage.join(self._folder, name)
        if not storage.exists(path):
            raise ConfigError(f"has no {name}", where=self._folder, remedy="give the folder that save_pretrained wrote")
        try:
            value = json.loads(storage.read_bytes(path))
        except ValueError as error:
            raise ConfigError(f"is no JSON: {error}", where=path, remedy="download it again") from error
        if not isinstance(value, dict):
            raise ConfigError("is no JSON object", where=path, remedy="download it again")
        return value

    @cached_property
    def identity(self) -> ModelIdentity:
        """Type of the model, version of transformers, and hash of weights, configuration and preprocessing."""
        whole = hashlib.sha256()
        for name in (CONFIG, PREPROCESSOR, *self._weights):
            whole.update(storage.hash_file(storage.join(self._folder, name))[0].encode())
        return ModelIdentity(self._name, version("transformers"), whole.hexdigest())

    @cached_property
    def _model(self) -> Any:
        from safetensors import SafetensorError
        from transformers import AutoConfig, AutoModelForObjectDetection
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            config = AutoConfig.from_pretrained(self._folder, local_files_only=True)
            if getattr(config, "use_pretrained_backbone", False):
                config.use_pretrained_backbone = False  # the folder's weights have the backbone
            model, found = AutoModelForObjectDetection.from_pretrained(
                self._folder, config=config, local_files_only=True, use_safetensors=True, dtype="float32",
                output_loading_info=True,
            )  # fmt: skip
        except (ImportError, OSError, ValueError, RuntimeError, SafetensorError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConfigError(f"cannot be loaded: {first}", where=self._folder, remedy="check the folder") from error
        if found["missing_keys"]:  # transformers would draw them at random
            lacking = sorted(found["missing_keys"])[0]
            raise ConfigError(
                f"has no weights {lacking}, ...", where=self._folder, remedy="download the detector again"
            )
        return model.eval()

    def check(self) -> None:
        """Load the model and run it on a black image; ConfigError if it cannot be used."""
        try:
            self(np.zeros((64, 64, 3), np.uint8))
        except (AttributeError, TypeError) as error:
            what = "does not give logits, pred_boxes and last_hidden_state per query"
            raise ConfigError(what, where=self._folder, remedy="give a model such as DETR, RT-DETR or YOLOS") from error

    def _size(self) -> dict[str, int]:
        """Return the size of the preprocessing; ConfigError if it is none of the known forms."""
        size = self._steps.get("size", {})
        names = set(size) if isinstance(size, dict) else set()
        if not {"height", "width"} <= names and "shortest_edge" not in names:
            raise ConfigError(
                f"size is {size!r}",
                where=storage.join(self._folder, PREPROCESSOR),
                remedy="write height and width, or shortest_edge and longest_edge",
            )
        return {name: int(side) for name, side in size.items() if side}

    def _input(self, rgb: np.ndarray) -> np.ndarray:
        """Return an image as the model takes it: (H, W, 3) uint8 -> (3, h, w) float32."""
        size, (height, width) = self._size(), rgb.shape[:2]
        if self._steps.get("do_resize", True):
            rgb = np.asarray(Image.fromarray(rgb).resize(resized(width, height, size), Image.Resampling.BILINEAR))
        pixels = rgb.astype(np.float32)
        if self._steps.get("do_rescale", True):
            pixels *= np.float32(self._steps.get("rescale_factor", 1 / 255))
        if self._steps.get("do_normalize", True):
            pixels -= np.array(self._steps.get("image_mean", (0.485, 0.456, 0.406)), np.float32)
            pixels /= np.array(self._steps.get("image_std", (0.229, 0.224, 0.225)), np.float32)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def __call__(self, rgb: np.ndarray) -> Queries:
        """Return what the detector says of an RGB image (H, W, 3)."""
        import torch

        with one_thread():
            outputs = self._model(torch.from_numpy(self._input(rgb))[None])
            logits, boxes = outputs.logits[0].float(), outputs.pred_boxes[0].float()
            probabilities = logits.softmax(-1)
            if logits.shape[-1] > self._model.config.num_labels:  # the last class is "no object"
                scores = probabilities[:, :-1].amax(-1)
            else:  # each class has a probability of its own
                scores = logits.sigmoid().amax(-1)
            hidden = outputs.last_hidden_state[0][-len(logits) :]  # YOLOS has the image's tokens before the queries
        sides = np.array([rgb.shape[1], rgb.shape[0]] * 2, np.float32)
        return Queries(
            (corners(boxes.numpy()) * sides).clip(0, sides), hidden.numpy(), probabilities.numpy(), scores.numpy()
        )


def read_model_card(folder: str) -> str:
    """Return the README.md of a detector's folder, its headings two levels deeper; empty if there is none.

    Of the metadata above it only the licence is kept.
    """
    path = storage.join(folder, "README.md")
    if not storage.exists(path):
        return ""
    text = storage.read_bytes(path).decode("utf-8", "replace").replace("\r\n", "\n")[:_MAX_CARD]
    found = _HEAD.match(text)
    licence = _LICENCE.search(found[1]) if found else None
    body = re.sub(r"^(#+ )", r"##\1", text[found.end() :] if found else text, flags=re.MULTILINE).strip()
    return f"Licence, as its metadata says: {licence[1].strip()}.\n\n{body}" if licence else body


def corners(boxes: np.ndarray) -> np.ndarray:
    """Return centres and sizes as corners: cx cy w h -> x1 y1 x2 y2, (n, 4)."""
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1)


def resized(width: int, height: int, size: dict[str, int]) -> tuple[int, int]:
    """Return the width and height of a model's input for an image.

    They are fixed, or the shorter side is `shortest_edge` unless the longer one would exceed `longest_edge`.
    """
    if "height" in size:
        return size["width"], size["height"]
    scale = size["shortest_edge"] / min(width, height)
    if "longest_edge" in size:
        scale = min(scale, size["longest_edge"] / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
