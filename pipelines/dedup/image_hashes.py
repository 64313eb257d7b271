"""Images that look the same: dHash, pHash and a grid of colours beside them, since both hashes see grey only.

Hashes equal those of the library imagehash at its defaults, so published lists made with it can be used.
Arrays are RGB uint8 [height, width, 3], after EXIF orientation.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GRID = 4
_BLOCKS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class TwinConfig:
    """How near two images must be to count as one picture (values of ours, measured on drawings)."""

    max_dhash_distance: int = 4
    """Differing bits of the dHash at most."""
    max_phash_distance: int = 6
    """Differing bits of the pHash at most."""
    max_colour_distance: int = 24
    """Difference of any channel of any cell of the 4 x 4 grid at most, of 255."""
    min_bits: int = 8
    """Bits set, and bits not set, that a dHash needs to say anything."""
    min_gray_std: float = 4.0
    """Standard deviation of grey that an image needs; below it only exact equality counts."""


@dataclass(frozen=True, slots=True)
class ImageHashes:
    """What `hash_image` finds: 64-bit hashes as 16 hex digits, 48 bytes of mean colours, spread of grey and colour."""

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
    """Return the pHash of a grey image: lowest 8 x 8 of the DCT of 32 x 32 pixels, above their median or not.

    Coefficients are rounded first: the pixels are whole numbers, so what lies below is noise of the sum's order.
    """
    pixels = np.asarray(gray.resize((32, 32), Image.Resampling.LANCZOS), dtype=np.float64)
    matrix = _dct_matrix()
    low = np.round(matrix @ pixels @ matrix.T, 4)
    return _hex(low > np.median(low))


def hash_image(rgb: NDArray[np.uint8]) -> ImageHashes:
    """Return the hashes, colours and spreads of an image, RGB uint8 [height, width, 3]."""
    import cv2  # what only compares hashes does without

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
    """Return the largest difference of any channel of any cell of two grids."""
    one, two = np.frombuffer(first, np.uint8).astype(np.int16), np.frombuffer(second, np.uint8).astype(np.int16)
    return int(np.abs(one - two).max(initial=0))


def has_content(hashes: ImageHashes, config: TwinConfig | None = None) -> bool:
    """Say whether an image has enough structure for its hashes to mean anything; flat ones all look alike."""
    config = config or TwinConfig()
    bits = int(hashes.dhash, 16).bit_count() if hashes.dhash else 0
    return config.min_bits <= bits <= 64 - config.min_bits and hashes.gray_std >= config.min_gray_std


def are_twins(first: ImageHashes, second: ImageHashes, config: TwinConfig | None = None) -> bool:
    """Say whether two images are one picture: near in dHash, in pHash and in every cell's colour."""
    config = config or TwinConfig()
    return (
        has_content(first, config)
        and has_content(second, config)
        and hamming(first.dhash, second.dhash) <= config.max_dhash_distance
        and hamming(first.phash, second.phash) <= config.max_phash_distance
        and colour_distance(first.grid, second.grid) <= config.max_colour_distance
    )


def block_keys(dhash: str, distance: int = 4) -> tuple[tuple[int, int], ...]:
    """Return keys of which two hashes within `distance` bits (at most 4) share at least one.

    The 64 bits are cut into 6 blocks; each key is (which blocks, their bits) of 6 - distance of them.
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


def twin_pairs(
    hashes: Sequence[ImageHashes] | Iterable[ImageHashes], config: TwinConfig | None = None
) -> list[tuple[int, int]]:
    """Return the pairs of positions (smaller first, sorted) whose images are twins; flat images have none."""
    config = config or TwinConfig()
    items = list(hashes)
    buckets: dict[tuple[int, int], list[int]] = {}
    for position, item in enumerate(items):
        if has_content(item, config):
            for key in block_keys(item.dhash, config.max_dhash_distance):
                buckets.setdefault(key, []).append(position)
    candidates = {pair for bucket in buckets.values() for pair in itertools.combinations(bucket, 2)}
    return sorted(pair for pair in candidates if are_twins(items[pair[0]], items[pair[1]], config))
