"""Images for training: decoded under caps, resized with antialiasing, cropped and coloured by a keyed generator."""

import cv2
import numpy as np

from schemas.images import decode_rgb

cv2.setNumThreads(0)


def decode_near(data: bytes, size: int) -> np.ndarray:
    """Decode an image (H, W, 3) uint8; a JPEG at the smallest scale whose shorter side is still `size` or more."""
    return decode_rgb(data, min_side_at_least=size)


def resize(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize with antialiasing when shrinking (area), bilinear when growing."""
    if (rgb.shape[1], rgb.shape[0]) == (width, height):
        return rgb
    shrinking = width < rgb.shape[1] or height < rgb.shape[0]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=method))


def resize_short(rgb: np.ndarray, size: int) -> np.ndarray:
    """Resize so that the shorter side is `size`."""
    height, width = rgb.shape[:2]
    scale = size / min(height, width)
    return resize(rgb, max(size, round(width * scale)), max(size, round(height * scale)))


def centre_crop(rgb: np.ndarray, size: int) -> np.ndarray:
    """Return the square of `size` in the middle."""
    top, left = (rgb.shape[0] - size) // 2, (rgb.shape[1] - size) // 2
    return rgb[top : top + size, left : left + size]


def random_crop(rgb: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a square of `size` anywhere."""
    top = int(rng.integers(0, rgb.shape[0] - size + 1))
    left = int(rng.integers(0, rgb.shape[1] - size + 1))
    return rgb[top : top + size, left : left + size]


def pad_to_square(rgb: np.ndarray, size: int, fill: tuple[int, int, int]) -> np.ndarray:
    """Resize so that the longer side is `size` and pad the other with a colour (Flamingo, App. B.1.2)."""
    height, width = rgb.shape[:2]
    scale = size / max(height, width)
    small = resize(rgb, max(1, round(width * scale)), max(1, round(height * scale)))
    result = np.empty((size, size, 3), np.uint8)
    result[:] = fill
    top, left = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
    result[top : top + small.shape[0], left : left + small.shape[1]] = small
    return result
