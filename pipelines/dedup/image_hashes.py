"""Perceptual hashes of images: dHash, pHash, and a grid of mean colours, since both hashes ignore colour.

Hashes equal those of the library imagehash at its defaults, so hash lists made with it can be used.
Arrays are RGB uint8 [height, width, 3], after EXIF orientation.
"""

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GRID = 4
_BLOCKS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class TwinConfig:
    """Distances up to which two images count as the same picture (our values, measured on drawings)."""

    max_dhash_distance: int = 4
    """Largest number of differing bits of the dHash."""
    max_phash_distance: int = 6
    """Largest number of differing bits of the pHash."""
    max_colour_distance: int = 24
    """Largest difference of a colour channel over the cells of the 4 x 4 grid, 0 to 255."""
    min_bits: int = 8
    """Smallest number of set bits, and of unset bits, of a dHash that is compared."""
    min_gray_std: float = 4.0
    """Standard deviation of an image's grey values, at least; below it only equal bytes match."""


@dataclass(frozen=True, slots=True)
class ImageHashes:
    """Hashes of an image (64 bits as 16 hex digits each), 48 bytes of mean colours, spread of grey and colour."""

    dhash: str
    phash: str
    grid: bytes
    gray_std: float
    colour_range: float


@lru_cache(maxsize=1)
def _dct_matrix() -> NDArray[np.float64]:
    """Return the 8 lowest rows of the 32-point DCT-II, unnormalised as scipy's default."""
    places = np.arange(32)
    return 2.0 * np.cos(np.pi * np.arange(8)[:, None] * (2 * places + 1) / 64.0)


def _hex(bits: NDArray[np.bool_]) -> str:
    return np.packbits(bits.ravel()).tobytes().hex()


def dhash(gray: Image.Image) -> str:
    """Return the dHash of a grey image: 9 x 8 pixels, each compared with its right neighbour."""
    pixels = np.asarray(gray.resize((9, 8), Image.Resampling.LANCZOS))
    return _hex(pixels[:, 1:] > pixels[:, :-1])


def phash(gray: Image.Image) -> str:
    """Return the pHash of a grey image: one bit per coefficient of the lowest 8 x 8 of the DCT of 32 x 32 pixels.

    A bit is set if its coefficient is above the median. Coefficients are rounded first, because differences below
    that depend only on the order of summation.
    """
    pixels = np.asarray(gray.resize((32, 32), Image.Resampling.LANCZOS), dtype=np.float64)
    matrix = _dct_matrix()
    low = np.round(matrix @ pixels @ matrix.T, 4)
    return _hex(low > np.median(low))


def hash_image(rgb: NDArray[np.uint8]) -> ImageHashes:
    """Return the hashes, colours and spreads of an image, RGB uint8 [height, width, 3]."""
    import cv2  # imported here, since comparing hashes does not need it

    image = Image.fromarray(rgb)
    gray = image.convert("L")
    grid = cv2.resize(rgb, (GRID, GRID), interpolation=cv2.INTER_AREA)
    _, deviation = cv2.meanStdDev(np.asarray(gray))
    extremes = [cv2.minMaxLoc(rgb[:, :, channel]) for channel in range(3)]
    spans = [high - low for low, high, _, _ in extremes]
    return ImageHashes(dhash(gray), phash(gray), grid.tobytes(), round(float(deviation[0, 0]), 3), float(max(spans)))


def hamming(first: str, second: str) -> int:
    """Return the number of differing bits of two hashes of equal length in hex digits."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


def colour_distance(first: bytes, second: bytes) -> int:
    """Return the largest difference of a colour channel over the cells of two grids, 0 to 255."""
    one, two = np.frombuffer(first, np.uint8).astype(np.int16), np.frombuffer(second, np.uint8).astype(np.int16)
    return int(np.abs(one - two).max(initial=0))


def has_content(hashes: ImageHashes, config: TwinConfig | None = None) -> bool:
    """Return whether an image has enough structure to be compared by hash; the hashes of flat images are all alike."""
    config = config or TwinConfig()
    bits = int(hashes.dhash, 16).bit_count() if hashes.dhash else 0
    return config.min_bits <= bits <= 64 - config.min_bits and hashes.gray_std >= config.min_gray_std


def block_keys(dhash: str, distance: int = 4) -> tuple[tuple[int, int], ...]:
    """Return keys such that two hashes within `distance` bits (at most 4) share at least one key.

    The 64 bits are cut into 6 blocks. By the pigeonhole principle at least 6 - distance blocks are equal, so there is
    one key per choice of 6 - distance blocks: the number of the choice and the bits of its blocks.
    """
    value = int(dhash, 16)
    edges = [64 * place // _BLOCKS for place in range(_BLOCKS + 1)]
    blocks = [(value >> low & ((1 << high - low) - 1), high - low) for low, high in itertools.pairwise(edges)]
    keys = []
    for number, chosen in enumerate(itertools.combinations(blocks, _BLOCKS - distance)):
        key = 0
        for bits, width in chosen:
            key = key << width | bits
        keys.append((number, key))
    return tuple(keys)
