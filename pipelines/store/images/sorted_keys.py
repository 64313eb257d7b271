"""Names of one width, sorted in numpy: how a store finds keys and hashes by the million without an object a row."""

import numpy as np
import pyarrow as pa


def fixed_width(column: pa.ChunkedArray, width: int) -> np.ndarray:
    """Return a column of equally long ASCII strings as a numpy array of bytes, without a Python object a row."""
    chunks = []
    for chunk in column.chunks:
        start, end = chunk.offset * width, (chunk.offset + len(chunk)) * width
        data = chunk.buffers()[2]
        if len(chunk):
            chunks.append(np.frombuffer(data, dtype=f"S{width}", count=end // width)[start // width :])
    return np.concatenate(chunks) if chunks else np.array([], dtype=f"S{width}")


def places_in(names: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return where each of many names lies among sorted ones, int64; -1 for those that are not there."""
    if not len(names):
        return np.full(len(wanted), -1, dtype=np.int64)
    places = np.minimum(names.searchsorted(wanted), len(names) - 1)
    return np.where(names[places] == wanted, places, -1)


def place_in(names: np.ndarray, wanted: bytes) -> int | None:
    """Return where one name lies among sorted ones, or None; arrays are compared: a bytes_ loses zeros at its end."""
    place = int(places_in(names, np.array([wanted]))[0])
    return None if place < 0 else place
