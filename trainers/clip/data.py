"""Converts pairs to CLIP's input: a square of pixels and a row of token ids.

Shapes: H = W the tower's input size, S the text's context.
"""

import threading
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.trainers.clip.augment import augment
from corpusloom.trainers.clip.config import CLIPDataConfig
from corpusloom.trainers.clip.tokens.of_model import CaptionTokenizer
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.image_ops import centre_crop
from corpusloom.trainers.stream.samples.typed import ClipSample, InterleavedSample, TypedSample


def resize_bicubic(rgb: np.ndarray, size: int, *, squash: bool = False) -> np.ndarray:
    """Resize the shorter side of (H, W, 3) uint8 to `size`, with `squash` both; bicubic, antialiased, as in CLIP."""
    height, width = rgb.shape[:2]
    if min(height, width) == size and (height == width or not squash):
        return rgb
    scale = size / min(height, width)
    shape = (size, size) if squash else (max(size, int(width * scale)), max(size, int(height * scale)))
    return np.asarray(Image.fromarray(rgb).resize(shape, Image.Resampling.BICUBIC))


def evaluation_image(data: bytes, size: int, *, squash: bool = False) -> np.ndarray:
    """Return the central square of an image, or all of it, as (3, H, W) uint8, decoded and resized as in CLIP."""
    return channels_first(centre_crop(resize_bicubic(decode_rgb(data), size, squash=squash), size))


def training_image(data: bytes, size: int, margin: float, *, squash: bool = False) -> np.ndarray:
    """Return an image as (H, W, 3) uint8 before its random crop: the shorter side, with `squash` both, is resized.

    That side is `size` and the share `margin` more.
    """
    side = round(size * (1 + margin))
    return resize_bicubic(decode_rgb(data, min_side_at_least=side), side, squash=squash)


def drop_words(text: str, share: float, rng: np.random.Generator) -> str:
    """Return a text without a random `share` of its words; whole if none is left."""
    words = text.split()
    kept = [word for word, drawn in zip(words, rng.random(len(words)), strict=True) if drawn >= share]
    return " ".join(kept) or text


class PairTransform:
    """Pair -> {"image": (3, H, W) uint8, "tokens": (S,) int64}; all random draws come from the given generator."""

    def __init__(self, tokenizer: CaptionTokenizer, size: int, config: CLIPDataConfig, *, squash: bool = False) -> None:
        """Make the conversion; `size` is H. With `squash` both sides of an image are resized before the random crop."""
        self._tokenizer, self._size, self._config, self._squash = tokenizer, size, config, squash
        self._cache: dict[str, np.ndarray] = {}
        self._room = config.cache_bytes
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the cached images: each loader process has its own cache."""
        return partial(type(self), squash=self._squash), (self._tokenizer, self._size, self._config)

    def __call__(self, sample: TypedSample, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Decode, crop and tokenise one sample."""
        if isinstance(sample, InterleavedSample | ClipSample):
            raise ConfigError("CLIP trains on pairs", where="--data", remedy="give a dataset of pairs or of regions")
        if not sample.text:
            raise SampleError("empty_text")
        pixels = self._cache.get(sample.key)
        if pixels is None:
            pixels = self._resized(sample.key, sample.image)
        square = augment(pixels, self._size, self._config, rng)
        share = self._config.word_dropout
        text = drop_words(sample.text, share, rng) if share else sample.text
        return {"image": channels_first(square), "tokens": self._tokenizer.row(text)}

    def _resized(self, key: str, data: bytes) -> np.ndarray:
        pixels = training_image(data, self._size, self._config.margin, squash=self._squash)
        with self._lock:
            if pixels.nbytes <= self._room:
                self._room -= pixels.nbytes
                self._cache[key] = pixels
        return pixels


def channels_first(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 3) -> (3, H, W), contiguous."""
    return np.ascontiguousarray(rgb.transpose(2, 0, 1))
