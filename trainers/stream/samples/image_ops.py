"""Image operations of training: decode, resize with antialiasing, crop, pad; draws use a given generator."""

import math

import cv2
import numpy as np

from corpusloom.schemas.images.decoding import decode_rgb

cv2.setNumThreads(0)


def decode_near(data: bytes, side: int) -> np.ndarray:
    """Decode to uint8 RGB (H, W, 3); JPEGs are scaled down as they are decoded, to sides of at least `side`."""
    return decode_rgb(data, min_side_at_least=side)


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize uint8 (H, W, 3) with antialiasing, close to Pillow's BILINEAR (`benchmarks/stream.py resize` measures it).

    The image is halved by 2 x 2 means while it is at least twice too large, blurred by three taps for the rest of the
    factor, and sampled bilinearly. OpenCV vectorises each of these steps, but not INTER_AREA with a fractional factor.
    """
    while image.shape[0] >= 2 * height and image.shape[1] >= 2 * width:
        rows, columns = image.shape[0] // 2, image.shape[1] // 2
        image = cv2.resize(image[: 2 * rows, : 2 * columns], (columns, rows), interpolation=cv2.INTER_AREA)
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    if rows > height or columns > width:
        across, down = _blur_sigma(columns / width), _blur_sigma(rows / height)
        kernel = (3 if across else 1, 3 if down else 1)
        image = cv2.GaussianBlur(image, kernel, sigmaX=across or 1.0, sigmaY=down or 1.0)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def _blur_sigma(scale: float) -> float:
    """Return the sigma of the three-tap blur along an axis that is then sampled at `scale` source pixels per pixel.

    The outer taps are (scale - 1) / 4, at most a third. They are given as a Gaussian's sigma, because OpenCV's
    Gaussian is the fastest of its filters. 0: no blur.
    """
    side = min((scale - 1) / 4, 0.333)
    return math.sqrt(-0.5 / math.log(side / (1 - 2 * side))) if side > 0.002 else 0.0


def centre_crop(image: np.ndarray, side: int) -> np.ndarray:
    """Return the central square of `side` pixels; both sides of the image must be at least as long."""
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return image[top : top + side, left : left + side]


def centre_square(image: np.ndarray, side: int) -> np.ndarray:
    """Return the largest central square, resized to `side` pixels; it is cropped first, so that only it is resized."""
    return resize(centre_crop(image, min(image.shape[:2])), side, side)


def random_crop(image: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return a square of `side` pixels at a random place."""
    top = int(rng.integers(image.shape[0] - side + 1))
    left = int(rng.integers(image.shape[1] - side + 1))
    return image[top : top + side, left : left + side]


def pad_to_square(image: np.ndarray, side: int, fill: tuple[int, int, int]) -> np.ndarray:
    """Resize the longer side to `side` and pad the shorter one with a colour (Flamingo, arXiv 2204.14198, 4.1.4)."""
    rows, columns = image.shape[:2]
    scale = side / max(rows, columns)
    image = resize(image, max(1, round(columns * scale)), max(1, round(rows * scale)))
    square = np.empty((side, side, 3), dtype=np.uint8)
    square[:] = fill
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    square[top : top + image.shape[0], left : left + image.shape[1]] = image
    return square
