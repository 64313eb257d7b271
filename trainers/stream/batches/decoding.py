"""Pictures for training: decode, resize with antialiasing, crop, flip, colour; every draw from a given generator."""

import hashlib
import math
from typing import Any

import cv2
import numpy as np

from corpusloom.schemas.images.decoding import decode_rgb

cv2.setNumThreads(0)


class SampleDraws:
    """One generator, set anew for each sample: making one costs as much as reading the sample. For one thread."""

    def __init__(self, rng_seed: int) -> None:
        self._seed = rng_seed & 0xFFFFFFFFFFFFFFFF
        self._bits = np.random.Philox(key=0)
        self._generator = np.random.Generator(self._bits)
        self._fresh: Any = self._bits.state

    def of(self, epoch: int, key: str) -> np.random.Generator:
        """Return the generator of one sample in one epoch, the same on any rank, worker or resume; until the next."""
        salt = self._seed.to_bytes(8, "little") + epoch.to_bytes(8, "little")
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16, salt=salt).digest()
        self._fresh["state"]["key"] = np.frombuffer(digest, dtype="<u8")
        self._bits.state = self._fresh
        return self._generator


def decode_near(data: bytes, side: int) -> np.ndarray:
    """Decode to uint8 RGB (H, W, 3), scaled down where that is free and both sides stay at least `side`."""
    return decode_rgb(data, min_side_at_least=side)


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize uint8 (H, W, 3) with antialiasing; near Pillow's BILINEAR (`benchmarks/stream.py resize` measures it).

    Halved by 2 x 2 means while twice too large, then softened by three taps as wide as the rest of the shrinking
    needs, then bilinear. Each step is vectorised in OpenCV; INTER_AREA with a broken factor is not.
    """
    while image.shape[0] >= 2 * height and image.shape[1] >= 2 * width:
        rows, columns = image.shape[0] // 2, image.shape[1] // 2
        image = cv2.resize(image[: 2 * rows, : 2 * columns], (columns, rows), interpolation=cv2.INTER_AREA)
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    if rows > height or columns > width:
        across, down = _softening(columns / width), _softening(rows / height)
        kernel = (3 if across else 1, 3 if down else 1)
        image = cv2.GaussianBlur(image, kernel, sigmaX=across or 1.0, sigmaY=down or 1.0)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def _softening(scale: float) -> float:
    """Return the sigma of the three taps that soften an axis before bilinear sampling at `scale` source pixels a pixel.

    The outer taps are (scale - 1) / 4, at most a third. OpenCV takes them as a Gaussian's, for which it has the
    fastest of its filters. 0: none.
    """
    side = min((scale - 1) / 4, 0.333)
    return math.sqrt(-0.5 / math.log(side / (1 - 2 * side))) if side > 0.002 else 0.0


def centre_crop(image: np.ndarray, side: int) -> np.ndarray:
    """Return the square of `side` pixels in the middle; the image must be at least that large."""
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return image[top : top + side, left : left + side]


def centre_square(image: np.ndarray, side: int) -> np.ndarray:
    """Return the largest square in the middle, resized to `side` pixels: cut out first, so that no more is resized."""
    return resize(centre_crop(image, min(image.shape[:2])), side, side)


def random_crop(image: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return a square of `side` pixels anywhere."""
    top = int(rng.integers(image.shape[0] - side + 1))
    left = int(rng.integers(image.shape[1] - side + 1))
    return image[top : top + side, left : left + side]


def random_resized_crop(
    image: np.ndarray,
    side: int,
    rng: np.random.Generator,
    *,
    scale: tuple[float, float] = (0.9, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> np.ndarray:
    """Return a crop of a random share of the area and aspect, resized to a square of `side` pixels."""
    rows, columns = image.shape[:2]
    for _ in range(10):
        area = rows * columns * rng.uniform(*scale)
        aspect = np.exp(rng.uniform(np.log(ratio[0]), np.log(ratio[1])))
        wide, high = round(float(np.sqrt(area * aspect))), round(float(np.sqrt(area / aspect)))
        if 0 < wide <= columns and 0 < high <= rows:
            top, left = int(rng.integers(rows - high + 1)), int(rng.integers(columns - wide + 1))
            return resize(image[top : top + high, left : left + wide], side, side)
    return centre_square(image, side)


def pad_to_square(image: np.ndarray, side: int, fill: tuple[int, int, int]) -> np.ndarray:
    """Resize so that the longer side is `side` and pad the other with a colour (Flamingo, arXiv 2204.14198, 4.1.4)."""
    rows, columns = image.shape[:2]
    scale = side / max(rows, columns)
    image = resize(image, max(1, round(columns * scale)), max(1, round(rows * scale)))
    square = np.empty((side, side, 3), dtype=np.uint8)
    square[:] = fill
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    square[top : top + image.shape[0], left : left + image.shape[1]] = image
    return square


def random_flip(image: np.ndarray, rng: np.random.Generator, probability: float = 0.5) -> np.ndarray:
    """Mirror left and right with a probability; off by default for images whose text names sides."""
    return image[:, ::-1] if rng.random() < probability else image


def colour_jitter(
    image: np.ndarray,
    rng: np.random.Generator,
    *,
    brightness: float = 0.2,
    contrast: float = 0.2,
    saturation: float = 0.2,
) -> np.ndarray:
    """Scale brightness, contrast and saturation by factors drawn from 1 - x to 1 + x."""
    bright, contrasted, saturated = (1 + rng.uniform(-x, x) for x in (brightness, contrast, saturation))
    values = image.astype(np.float32) * bright
    grey = values @ np.asarray([0.299, 0.587, 0.114], dtype=np.float32)
    values = grey[:, :, None] + (values - grey[:, :, None]) * saturated
    values = grey.mean() + (values - grey.mean()) * contrasted
    return np.clip(values, 0, 255).astype(np.uint8)
