"""Perceptual hashes of images, with the colour check that hashes of grey lack (specs: dHash, pHash, 4 x 4 grid)."""

from dataclasses import dataclass

import cv2
import numpy as np

DHASH_DISTANCE = 4
PHASH_DISTANCE = 6
GRID_DISTANCE = 24
"""Of 255, each cell and channel."""


@dataclass(frozen=True, slots=True)
class ImageHashes:
    """What near-duplicates are found by."""

    dhash: str
    phash: str
    grid: bytes
    gray_std: float
    colour_range: float


def _hex(bits: np.ndarray) -> str:
    return np.packbits(bits.reshape(-1)).tobytes().hex()


def hash_image(rgb: np.ndarray) -> ImageHashes:
    """Return the hashes of an RGB uint8 image (H, W, 3): dHash (9 x 8), pHash (DCT of 32 x 32), colour grid."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(gray, (9, 8), interpolation=cv2.INTER_AREA)
    dct = cv2.dct(cv2.resize(gray, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32))[:8, :8]
    grid = cv2.resize(rgb, (4, 4), interpolation=cv2.INTER_AREA)
    spread = rgb.reshape(-1, 3).max(axis=0).astype(int) - rgb.reshape(-1, 3).min(axis=0)
    return ImageHashes(
        dhash=_hex(small[:, :-1] < small[:, 1:]),
        phash=_hex(dct > np.median(dct)),
        grid=np.ascontiguousarray(grid).tobytes(),
        gray_std=round(float(gray.std()), 4),
        colour_range=float(spread.max()),
    )


def hamming(a: str, b: str) -> int:
    """Return the number of bits in which two hashes of equal length differ."""
    return (int(a, 16) ^ int(b, 16)).bit_count()


def near_duplicates(a: ImageHashes, b: ImageHashes) -> bool:
    """Say whether two images look the same: both hashes near and every cell of the colour grid near."""
    cells = np.frombuffer(a.grid, np.uint8).astype(int) - np.frombuffer(b.grid, np.uint8)
    return (
        hamming(a.dhash, b.dhash) <= DHASH_DISTANCE
        and hamming(a.phash, b.phash) <= PHASH_DISTANCE
        and int(np.abs(cells).max()) <= GRID_DISTANCE
    )
