"""Resizes images in the modes of img2dataset (resizer.py, version 1.47), with the same pixels as results.

no: unchanged. keep_ratio: the shorter side becomes `size`. center_crop: as keep_ratio, then the square in the middle.
keep_ratio_largest: the longer side becomes `size`. border: as keep_ratio_largest, then padded with white to a square.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
import simplejpeg

from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.images.decoding import decode_rgb

Mode = Literal["no", "keep_ratio", "keep_ratio_largest", "center_crop", "border"]
Format = Literal["jpg", "png", "webp"]
Edit: TypeAlias = Callable[[np.ndarray], np.ndarray]
WHITE = (255, 255, 255)
PNG_LEVEL = 6
UPSCALE = cv2.INTER_LANCZOS4
DOWNSCALE = cv2.INTER_AREA


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """Mode, size and encoding of resized images."""

    mode: Mode = "border"
    size: int = 256
    """Pixels of the side that the mode names."""
    only_if_bigger: bool = False
    """Whether images of at most `size` keep their pixels."""
    format: Format = "jpg"
    quality: int = 95
    """Quality of JPEG and WebP, 1 to 100."""

    def __post_init__(self) -> None:
        if self.size < 1 or not 1 <= self.quality <= 100:
            raise ConfigError(f"cannot resize to {self.size} pixels at quality {self.quality}", where="images.resize")


def resize_pixels(pixels: np.ndarray, config: Resize) -> np.ndarray:
    """Return an RGB image (H, W, 3) resized; the same array if its size does not change."""
    if config.mode == "no":
        return pixels
    height, width = pixels.shape[:2]
    by_shorter = config.mode in ("keep_ratio", "center_crop")
    side = min(height, width) if by_shorter else max(height, width)
    if config.only_if_bigger and side <= config.size:
        return pixels
    if side != config.size:
        scale = config.size / side
        target = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = cv2.resize(pixels, target, interpolation=DOWNSCALE if side > config.size else UPSCALE)
    if config.mode == "center_crop":
        return _crop(pixels, config.size)
    return _pad(pixels, config.size) if config.mode == "border" else pixels


def _crop(pixels: np.ndarray, size: int) -> np.ndarray:
    top, left = (pixels.shape[0] - size) // 2, (pixels.shape[1] - size) // 2
    return np.ascontiguousarray(pixels[top : top + size, left : left + size])


def _pad(pixels: np.ndarray, size: int) -> np.ndarray:
    high, wide = size - pixels.shape[0], size - pixels.shape[1]
    top, left = high // 2, wide // 2
    return cv2.copyMakeBorder(pixels, top, high - top, left, wide - left, cv2.BORDER_CONSTANT, value=WHITE)


def encode_pixels(pixels: np.ndarray, config: Resize) -> bytes:
    """Return an RGB image encoded as JPEG with 4:2:0 subsampling, PNG or WebP."""
    if config.format == "jpg":
        data: bytes = simplejpeg.encode_jpeg(pixels, config.quality, "RGB", "420")
        return data
    option = (
        [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL]
        if config.format == "png"
        else [cv2.IMWRITE_WEBP_QUALITY, config.quality]
    )
    return bytes(cv2.imencode(f".{config.format}", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), option)[1])


def same_format(image_format: str) -> Format:
    """Return the format in which pixels of a stored image are encoded again: its own, or PNG if tars cannot hold it."""
    formats: dict[str, Format] = {"jpeg": "jpg", "jpg": "jpg", "webp": "webp"}
    return formats.get(image_format, "png")


def resize(data: bytes, config: Resize, edit: Edit | None = None) -> tuple[bytes, int, int]:
    """Return an image resized and encoded, with its width and height. Raises ImageError as `decode_rgb` does.

    `edit` changes the pixels (H, W, 3) before they are resized.
    """
    pixels = decode_rgb(data)
    pixels = resize_pixels(pixels if edit is None else edit(pixels), config)
    return encode_pixels(pixels, config), pixels.shape[1], pixels.shape[0]
