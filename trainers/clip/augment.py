"""Random changes of training images: place, size, angle, mirroring and colours; all draws use a given generator."""

import math

import cv2
import numpy as np

from corpusloom.trainers.clip.config import CLIPDataConfig
from corpusloom.trainers.stream.samples.colours import draw_change, recolour
from corpusloom.trainers.stream.samples.image_ops import random_crop


def augment(rgb: np.ndarray, size: int, config: CLIPDataConfig, rng: np.random.Generator) -> np.ndarray:
    """Return a random square of a resized image, changed as configured: (H, W, 3) -> (size, size, 3) uint8."""
    square = random_crop(rgb, size, rng)
    if config.shift or config.zoom or config.rotation:
        square = warp(square, config, rng)
    if config.flip and rng.random() < 0.5:
        square = square[:, ::-1]
    change = draw_change(config, rng)
    return square if change is None else recolour(square, change)


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
