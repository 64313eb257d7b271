"""Random changes of an image's colours: saturation, contrast, brightness; all draws use a given generator."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in a grey value (ITU-R BT.601)."""


class ColourRanges(Protocol):
    """Largest changes of colours, each a share from 0 to 1, and the share of images that lose their colours."""

    @property
    def brightness(self) -> float: ...
    @property
    def contrast(self) -> float: ...
    @property
    def saturation(self) -> float: ...
    @property
    def greyscale(self) -> float: ...


@dataclass(frozen=True, slots=True)
class ColourChange:
    """Factors of saturation, contrast and brightness; None: not changed."""

    saturation: float | None
    contrast: float | None
    brightness: float | None


def draw_change(ranges: ColourRanges, rng: np.random.Generator) -> ColourChange | None:
    """Return the change of one image, or of all frames of a clip; None, without a draw, if all ranges are 0."""
    saturation = contrast = brightness = None
    if ranges.saturation or ranges.greyscale:
        is_grey = rng.random() < ranges.greyscale
        saturation = 0.0 if is_grey else 1 + rng.uniform(-ranges.saturation, ranges.saturation)
    if ranges.contrast:
        contrast = 1 + rng.uniform(-ranges.contrast, ranges.contrast)
    if ranges.brightness:
        brightness = 1 + rng.uniform(-ranges.brightness, ranges.brightness)
    change = ColourChange(saturation, contrast, brightness)
    return None if change == ColourChange(None, None, None) else change


def recolour(rgb: np.ndarray, change: ColourChange) -> np.ndarray:
    """Change saturation, contrast and brightness in this order: (..., 3) uint8 -> the same shape."""
    pixels: np.ndarray = rgb.astype(np.float32)
    if change.saturation is not None:
        grey = (pixels @ _LUMA)[..., None]
        pixels = grey + (pixels - grey) * np.float32(change.saturation)
    if change.contrast is not None:
        pixels = 127.5 + (pixels - 127.5) * np.float32(change.contrast)
    if change.brightness is not None:
        pixels *= np.float32(change.brightness)
    return pixels.clip(0, 255).astype(np.uint8)
