"""Random changes of training images: place, size, angle, mirroring and colours; all draws use a given generator."""

import math

import cv2
import numpy as np

from corpusloom.trainers.clip.config import CLIPDataConfig
from corpusloom.trainers.stream.samples.image_ops import random_crop

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in a grey value (ITU-R BT.601)."""


def augment(rgb: np.ndarray, size: int, config: CLIPDataConfig, rng: np.random.Generator) -> np.ndarray:
    """Return a random square of a resized image, changed as configured: (H, W, 3) -> (size, size, 3) uint8."""
    square = random_crop(rgb, size, rng)
    if config.shift or config.zoom or config.rotation:
        square = warp(square, config, rng)
    if config.flip and rng.random() < 0.5:
        square = square[:, ::-1]
    if config.brightness or config.contrast or config.saturation or config.greyscale:
        square = recolour(square, config, rng)
    return square


def warp(square: np.ndarray, config: CLIPDataConfig, rng: np.random.Generator) -> np.ndarray:
    """Shift, zoom and turn an image about its centre; pixels from outside it repeat its edge."""
    size, middle = len(square), (len(square) - 1) / 2
    angle = math.radians(rng.uniform(-config.rotation, config.rotation))
    factor = (1 + config.zoom) ** rng.uniform(-1, 1)
    across, down = size * rng.uniform(-config.shift, config.shift, 2)
    cosine, sine = factor * math.cos(angle), factor * math.sin(angle)
    matrix = np.array(
        [
            [cosine, -sine, middle + across - (cosine - sine) * middle],
            [sine, cosine, middle + down - (sine + cosine) * middle],
        ]
    )
    return cv2.warpAffine(square, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def recolour(square: np.ndarray, config: CLIPDataConfig, rng: np.random.Generator) -> np.ndarray:
    """Change saturation, contrast and brightness in this order, or first take the colours away."""
    pixels: np.ndarray = square.astype(np.float32)
    if config.saturation or config.greyscale:
        grey = (pixels @ _LUMA)[:, :, None]
        factor = 0.0 if rng.random() < config.greyscale else 1 + rng.uniform(-config.saturation, config.saturation)
        pixels = grey + (pixels - grey) * np.float32(factor)
    if config.contrast:
        pixels = 127.5 + (pixels - 127.5) * np.float32(1 + rng.uniform(-config.contrast, config.contrast))
    if config.brightness:
        pixels *= np.float32(1 + rng.uniform(-config.brightness, config.brightness))
    return pixels.clip(0, 255).astype(np.uint8)
