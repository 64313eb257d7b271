"""Encodes regions.npz: boxes, features and class probabilities as a zip of .npy files with fixed dates, no pickle."""

import io
import zipfile

import numpy as np

_DATE = (1980, 1, 1, 0, 0, 0)


def encode_regions(boxes: np.ndarray, features: np.ndarray, class_probs: np.ndarray) -> bytes:
    """Return the archive; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in (("boxes", boxes), ("class_probs", class_probs), ("features", features)):
            part = io.BytesIO()
            np.lib.format.write_array(part, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _DATE), part.getvalue())
    return buffer.getvalue()
