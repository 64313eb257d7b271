"""Binary search over sorted fixed-width keys in numpy, without a Python object per key."""

import numpy as np
import pyarrow as pa


def fixed_width(column: pa.ChunkedArray, width: int) -> np.ndarray:
    """Return a column of ASCII strings of equal length as a numpy array of bytes."""
    chunks = []
    for chunk in column.chunks:
        start, end = chunk.offset * width, (chunk.offset + len(chunk)) * width
        data = chunk.buffers()[2]
        if len(chunk):
            chunks.append(np.frombuffer(data, dtype=f"S{width}", count=end // width)[start // width :])
    return np.concatenate(chunks) if chunks else np.array([], dtype=f"S{width}")


def places_in(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the position of each wanted key in a sorted array, int64; -1 for a key that is not in it."""
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    places = np.minimum(keys.searchsorted(wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)


def place_in(keys: np.ndarray, wanted: bytes) -> int | None:
    """Return the position of one key in a sorted array, or None.

    The key is compared as an array, since a numpy bytes scalar drops trailing zeros.
    """
    place = int(places_in(keys, np.array([wanted]))[0])
    return None if place < 0 else place
