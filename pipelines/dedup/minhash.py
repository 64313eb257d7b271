"""MinHash signatures of texts and their band keys; defaults are FineWeb's and datatrove's (arXiv 2406.17557 §3.4).

Two texts of Jaccard similarity s share a band with probability 1 - (1 - s^rows)^bands. Arrays: shingles uint64
[n], sorted and distinct; signature uint32 [bands x rows].
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from corpusloom.pipelines.dedup.exact import loose_words
from corpusloom.schemas.errors import ConfigError

VERSION = 1
_CHUNK = 512
"""Shingles hashed at once: 512 x 112 x 8 bytes fit into the cache of a core."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MinHashConfig:
    """Near-duplicate texts by MinHash and banding."""

    shingle_words: int = 5
    """Words per shingle."""
    bands: int = 14
    """Bands per signature; two texts are near-duplicates if one band is equal."""
    rows: int = 8
    """32-bit hashes per band."""
    rng_seed: int = 1
    """Seed of the hash functions."""

    def __post_init__(self) -> None:
        for name, value in (("shingle_words", self.shingle_words), ("bands", self.bands), ("rows", self.rows)):
            if value < 1:
                raise ConfigError(f"{name} is {value}", remedy=f"set dedup.minhash.{name} to 1 or more")


@lru_cache(maxsize=1 << 17)
def _word_hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread 64-bit values evenly (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def shingles(text: str, size: int = 5) -> NDArray[np.uint64]:
    """Return the distinct shingles of a text as sorted 64-bit hashes [n]; empty if it has fewer than `size` words.

    Words are lower-cased, without accents, digits as 0; punctuation separates words (as datatrove normalises).
    """
    words = loose_words(text)
    if len(words) < size:
        return np.empty(0, np.uint64)
    hashed = np.fromiter(map(_word_hash, words), np.uint64, len(words))
    total = np.zeros(len(words) - size + 1, np.uint64)
    for place in range(size):
        total = total * np.uint64(0x9E3779B97F4A7C15) + hashed[place : place + len(total)]
    return np.unique(_mix(total))


@lru_cache(maxsize=8)
def _hash_functions(count: int, rng_seed: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return odd multipliers and addends [count] of multiply-shift hashing, from the seed alone."""
    raw = hashlib.blake2b(b"minhash", digest_size=8, salt=rng_seed.to_bytes(8, "little")).digest()
    counter = np.uint64(int.from_bytes(raw, "little")) + np.arange(2 * count, dtype=np.uint64)
    values = _mix(counter * np.uint64(0x9E3779B97F4A7C15))
    return values[:count] | np.uint64(1), values[count:]


def signature(items: NDArray[np.uint64], config: MinHashConfig) -> NDArray[np.uint32] | None:
    """Return the signature [bands x rows] of shingles, or None if there are no shingles."""
    if not len(items):
        return None
    multipliers, addends = _hash_functions(config.bands * config.rows, config.rng_seed)
    smallest = np.full(len(multipliers), np.iinfo(np.uint64).max, np.uint64)
    for start in range(0, len(items), _CHUNK):
        hashed = multipliers[:, None] * items[None, start : start + _CHUNK] + addends[:, None]
        np.minimum(smallest, hashed.min(axis=1), out=smallest)
    return (smallest >> np.uint64(32)).astype(np.uint32)


def band_keys(values: NDArray[np.uint32], config: MinHashConfig) -> tuple[bytes, ...]:
    """Return one key per band of a signature: 16 bytes of blake2b over the band's number and hashes."""
    bands = values.astype("<u4").reshape(config.bands, config.rows)
    return tuple(
        hashlib.blake2b(number.to_bytes(4, "little") + band.tobytes(), digest_size=16).digest()
        for number, band in enumerate(bands)
    )


def text_band_keys(text: str, config: MinHashConfig) -> tuple[bytes, ...]:
    """Return the band keys of a text; () for one with fewer words than a shingle."""
    values = signature(shingles(text, config.shingle_words), config)
    return () if values is None else band_keys(values, config)
