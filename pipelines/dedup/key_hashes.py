"""128-bit keys as pairs of uint64, so that numpy can sort and compare them."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_DIGITS = np.full(256, 255, dtype=np.uint8)
_DIGITS[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16, dtype=np.uint8)
_WIDTH = 32

Numbers = NDArray[np.uint64]


def key_numbers(values: pa.Array) -> Numbers:
    """Return one pair of uint64 per string, shape [n, 2]: 32 hex digits by value, other strings by blake2b-128."""
    found = np.zeros((len(values), 2), dtype=np.uint64)
    if not len(values):
        return found
    wide = np.asarray(pc.equal(pc.binary_length(values), _WIDTH))
    digits = _DIGITS[_bytes(values if wide.all() else values.filter(pa.array(wide))).reshape(-1, _WIDTH)]
    is_hex = (digits < 16).all(axis=1)
    packed = (digits[:, 0::2] << 4 | digits[:, 1::2]).view(">u8").astype(np.uint64)
    places = np.flatnonzero(wide)[is_hex]
    found[places] = packed[is_hex]
    others = np.ones(len(values), dtype=bool)
    others[places] = False
    for place in np.flatnonzero(others).tolist():
        data = hashlib.blake2b(values[place].as_py().encode(), digest_size=16).digest()
        found[place] = np.frombuffer(data, dtype=">u8")
    return found


def _bytes(values: pa.Array) -> NDArray[np.uint8]:
    """Return the concatenated bytes of the strings of an array."""
    _, offsets, data = values.buffers()
    if data is None:
        return np.empty(0, dtype=np.uint8)
    ends = np.frombuffer(offsets, dtype=np.int32)[values.offset : values.offset + len(values) + 1]
    return np.frombuffer(data, dtype=np.uint8)[ends[0] : ends[-1]]


def group_starts(*columns: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return the index of the first row of each group of equal rows in sorted columns."""
    if not len(columns[0]):
        return np.empty(0, dtype=np.int64)
    new = np.zeros(len(columns[0]), dtype=bool)
    new[0] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)
